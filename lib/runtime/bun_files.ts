/** What file operations need on Bun: the C library by `bun:ffi`, and Bun's threads for what may take its time. */

import { dlopen, type FFIFunction, FFIType, type Pointer, toArrayBuffer } from "bun:ffi";
import { bunSpawner } from "./bun_process.ts";
import { FileCalls } from "./file_calls.ts";
import { type FileLibc, fileSignatures, optionalFileSignatures, type Signature } from "./file_libc.ts";
import { fromLibc } from "./libc.ts";
import { nodeFs } from "./node_modules.ts";
import { RuntimeUnsupported } from "./runtime.ts";

/** @throws {RuntimeUnsupported} There is no C library that we know. */
export function filesOnBun(): FileCalls {
  calls ??= new FileCalls(open());
  return calls;
}

let calls: FileCalls | undefined;

const types = {
  i32: FFIType.i32,
  usize: FFIType.u64,
  memory: FFIType.ptr,
  isize: FFIType.i64_fast,
  address: FFIType.ptr,
} as const;

function open(): FileLibc {
  const spawner = bunSpawner();
  if (process.platform !== "linux" || spawner === "fallback") {
    throw new RuntimeUnsupported("File operations need Linux with its C library");
  }
  const { libc, reactor } = spawner;
  const symbols = load(fileSignatures) as unknown as FileLibc & { __errno_location(): Pointer };
  const { __errno_location, ...rest } = symbols;
  const errno = new Int32Array(toArrayBuffer(__errno_location(), 0, 4));
  return {
    ...rest,
    ...loadOptional(),
    errno: () => errno[0]!,
    addressOf: libc.addressOf,
    preadAside: (fd, memory, length, offset) =>
      new Promise((resolve) => {
        nodeFs().read(fd, memory, 0, length, offset, (error, count) => resolve(error ? -1 : count));
      }),
    pwriteAside: (fd, memory, length, offset) =>
      new Promise((resolve) => {
        nodeFs().write(fd, memory, 0, length, offset, (error, count) => resolve(error ? -1 : count));
      }),
    fsyncAside: (fd) => new Promise((resolve) => nodeFs().fsync(fd, (error) => resolve(error ? -1 : 0))),
    readable: (fd) => reactor.readable(fd),
    forget: (fd) => reactor.forget(fd),
  };
}

function loadOptional(): object {
  try {
    return load(optionalFileSignatures);
  } catch {
    return {};
  }
}

/** @throws {RuntimeUnsupported} No library has them all. */
function load(signatures: Readonly<Record<string, Signature>>): object {
  const table: Record<string, FFIFunction> = Object.fromEntries(
    Object.entries(signatures).map(([name, { parameters, result }]) => [
      name,
      { args: parameters.map((parameter) => types[parameter]), returns: types[result] },
    ]),
  );
  return fromLibc((name) => dlopen(name, table).symbols);
}
