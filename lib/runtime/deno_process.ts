/** What children need on Deno: the C library by `Deno.dlopen`, and a thread parked in `epoll_wait`. */

import type { EpollWait } from "./epoll.ts";
import { createKernel } from "./kernel.ts";
import { fromLibc, type Libc, libcSignatures, optionalSignatures, SYSTEM_CALL_ARGUMENTS } from "./libc.ts";
import { type Child, type Kernel, RuntimeUnsupported, type SpawnOptions } from "./runtime.ts";
import { createSpawner, type Spawner, spawnChild } from "./spawn_child.ts";

export function spawnOnDeno(options: SpawnOptions): Child {
  return spawnChild(denoSpawner(), options);
}

export function denoSpawner(): Spawner {
  spawner ??= load();
  return spawner;
}

export function kernelOnDeno(): Kernel | undefined {
  if (Deno.build.os !== "linux") return undefined;
  spawner ??= load();
  kernel ??= createKernel(spawner);
  return kernel;
}

let spawner: Spawner | undefined;
let kernel: Kernel | undefined;

function load(): Spawner {
  return fromLibc((name) => {
    try {
      return createSpawner(openLibc(name), openWait(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      throw new RuntimeUnsupported(`Cannot start processes: Deno needs --allow-ffi for "${name}"`, {
        cause: error,
      });
    }
  });
}

function openLibc(name: string): Libc {
  const { symbols } = Deno.dlopen(name, table(libcSignatures));
  return {
    ...symbols,
    ...openOptional(name),
    addressOf: (memory: Uint8Array<ArrayBuffer>) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)),
    systemCall: openSystemCall(name),
    errno: openErrno(name),
  } as unknown as Libc;
}

/** Loaded at the first use: few programs need it. */
function openSystemCall(name: string): Libc["systemCall"] {
  const parameters = new Array<"usize">(SYSTEM_CALL_ARGUMENTS).fill("usize");
  const open = () => Deno.dlopen(name, { syscall: { parameters, result: "i64" } }).symbols.syscall;
  let call: ReturnType<typeof open> | undefined;
  return (number, ...args) => {
    call ??= open();
    return Number(call(BigInt(number), ...args.map(BigInt)));
  };
}

/** Where the library keeps it for this thread, so that no second call can set it. */
function openErrno(name: string): () => number {
  let place: Int32Array | undefined;
  return () => {
    if (!place) {
      const { symbols } = Deno.dlopen(name, { __errno_location: { parameters: [], result: "pointer" } });
      place = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4));
    }
    return place[0]!;
  };
}

function openOptional(name: string): object {
  try {
    return Deno.dlopen(name, table(optionalSignatures)).symbols;
  } catch {
    return {};
  }
}

/** A call in the background, on a thread of Deno's pool. The reactor makes one at a time. */
function openWait(name: string): EpollWait {
  const { symbols } = Deno.dlopen(name, {
    epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  });
  return {
    next: (epoll, events, max) => symbols.epoll_wait(epoll, events as Uint8Array<ArrayBuffer>, max, -1),
    rest: () => {},
  };
}

function table(signatures: typeof libcSignatures | typeof optionalSignatures): Deno.ForeignLibraryInterface {
  // Deno gives an isize as a bigint. What we get as one fits 32 bits: Linux moves at most 2 GiB in a call.
  const types = { i32: "i32", usize: "usize", memory: "buffer", isize: "i32" } as const;
  return Object.fromEntries(
    Object.entries(signatures).map(([name, { parameters, result }]) => [
      name,
      { parameters: parameters.map((parameter) => types[parameter]), result: types[result] },
    ]),
  );
}
