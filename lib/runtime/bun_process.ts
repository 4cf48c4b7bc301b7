/** What children need on Bun: the C library by `bun:ffi`. */

import { dlopen, type FFIFunction, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import process from "node:process";
import { waitOnBun } from "./bun_epoll.ts";
import { spawnFallback } from "./bun_fallback.ts";
import { BusyPoll } from "./busy_poll.ts";
import { createKernel } from "./kernel.ts";
import { fromLibc, type Libc, libcSignatures, optionalSignatures, SYSTEM_CALL_ARGUMENTS } from "./libc.ts";
import { type Child, type Kernel, RuntimeUnsupported, type SpawnOptions } from "./runtime.ts";
import { createSpawner, type Spawner, spawnChild } from "./spawn_child.ts";

export function spawnOnBun(options: SpawnOptions): Child {
  const made = bunSpawner();
  return made === "fallback" ? spawnFallback(options) : spawnChild(made, options);
}

/** Loaded at first use: a server that never starts a process does without. */
export function bunSpawner(): Spawner | "fallback" {
  spawner ??= load();
  return spawner;
}

export function kernelOnBun(): Kernel | undefined {
  spawner ??= load();
  if (spawner === "fallback") return undefined;
  kernel ??= createKernel(spawner);
  return kernel;
}

/** All clients of this program share it: there is one thread to stay awake. */
export const busyPoll = new BusyPoll(() => {
  const made = bunSpawner();
  if (made !== "fallback") made.libc.sched_yield();
});

let spawner: Spawner | "fallback" | undefined;
let kernel: Kernel | undefined;

function load(): Spawner | "fallback" {
  if (process.platform !== "linux") return "fallback";
  try {
    const libc = openLibc();
    return createSpawner(libc, waitOnBun(libc));
  } catch (error) {
    if (error instanceof RuntimeUnsupported) return "fallback";
    throw error;
  }
}

export function openLibc(): Libc {
  const types = {
    i32: FFIType.i32,
    usize: FFIType.u64,
    memory: FFIType.ptr,
    isize: FFIType.i64_fast,
  } as const;
  const table = (
    signatures: typeof libcSignatures | typeof optionalSignatures,
  ): Record<string, FFIFunction> =>
    Object.fromEntries(
      Object.entries(signatures).map(([name, { parameters, result }]) => [
        name,
        { args: parameters.map((parameter) => types[parameter]), returns: types[result] },
      ]),
    );
  return fromLibc((name) => {
    const { symbols } = dlopen(name, table(libcSignatures));
    const optional = openOptional(name, table(optionalSignatures));
    return {
      ...symbols,
      ...optional,
      addressOf: (memory: Uint8Array) => BigInt(ptr(memory)),
      systemCall: lazily(() => {
        const args = new Array<FFIType>(SYSTEM_CALL_ARGUMENTS).fill(FFIType.u64);
        return dlopen(name, { syscall: { args, returns: FFIType.i64_fast } }).symbols.syscall as SystemCall;
      }),
      errno: openErrno(name),
    } as unknown as Libc;
  });
}

/** Where the library keeps it for this thread, so that no second call can set it. */
function openErrno(name: string): () => number {
  let place: Int32Array | undefined;
  return () => {
    if (!place) {
      const { symbols } = dlopen(name, { __errno_location: { args: [], returns: FFIType.ptr } });
      place = new Int32Array(toArrayBuffer(symbols.__errno_location() as Pointer, 0, 4));
    }
    return place[0]!;
  };
}

type SystemCall = Libc["systemCall"];

function lazily(load: () => SystemCall): SystemCall {
  let loaded: SystemCall | undefined;
  return (...args) => {
    loaded ??= load();
    return loaded(...args);
  };
}

function openOptional(name: string, table: Record<string, FFIFunction>): object {
  try {
    return dlopen(name, table).symbols;
  } catch {
    return {};
  }
}
