/** What file operations need on Deno: the C library by `Deno.dlopen`, on other threads for what may take its time. */

import { denoSpawner } from "./deno_process.ts";
import { FileCalls } from "./file_calls.ts";
import { type FileLibc, fileSignatures, optionalFileSignatures, type Signature } from "./file_libc.ts";
import { fromLibc } from "./libc.ts";
import { RuntimeUnsupported } from "./runtime.ts";

/** @throws {RuntimeUnsupported} There is no C library that we know, or `--allow-ffi` is missing. */
export function filesOnDeno(): FileCalls {
  calls ??= new FileCalls(open());
  return calls;
}

let calls: FileCalls | undefined;

const types = { i32: "i32", usize: "usize", memory: "buffer", isize: "i32", address: "pointer" } as const;

const asideSignatures = {
  pread: { parameters: ["i32", "buffer", "usize", "usize"], result: "i32", nonblocking: true },
  pwrite: { parameters: ["i32", "buffer", "usize", "usize"], result: "i32", nonblocking: true },
  fsync: { parameters: ["i32"], result: "i32", nonblocking: true },
} as const;

function open(): FileLibc {
  if (Deno.build.os !== "linux")
    throw new RuntimeUnsupported("File operations need Linux with its C library");
  const { libc, reactor } = denoSpawner();
  return fromLibc((name) => {
    const { symbols } = Deno.dlopen(name, table(fileSignatures));
    const aside = Deno.dlopen(name, asideSignatures).symbols;
    const { __errno_location, ...rest } = symbols as unknown as FileLibc & {
      __errno_location(): Deno.PointerObject;
    };
    const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(__errno_location(), 4));
    return {
      ...rest,
      ...openOptional(name),
      errno: () => errno[0]!,
      addressOf: libc.addressOf,
      preadAside: (fd, memory, length, offset) =>
        aside.pread(fd, memory as Uint8Array<ArrayBuffer>, BigInt(length), BigInt(offset)),
      pwriteAside: (fd, memory, length, offset) =>
        aside.pwrite(fd, memory as Uint8Array<ArrayBuffer>, BigInt(length), BigInt(offset)),
      fsyncAside: (fd) => aside.fsync(fd),
      readable: (fd) => reactor.readable(fd),
      forget: (fd) => reactor.forget(fd),
    };
  });
}

function openOptional(name: string): object {
  try {
    return Deno.dlopen(name, table(optionalFileSignatures)).symbols;
  } catch {
    return {};
  }
}

function table(signatures: Readonly<Record<string, Signature>>): Deno.ForeignLibraryInterface {
  return Object.fromEntries(
    Object.entries(signatures).map(([name, { parameters, result }]) => [
      name,
      { parameters: parameters.map((parameter) => types[parameter]), result: types[result] },
    ]),
  ) as Deno.ForeignLibraryInterface;
}
