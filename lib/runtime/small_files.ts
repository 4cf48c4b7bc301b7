/**
 * Small files that are looked at before the first answer, or written for the first process; on Bun without `node:fs`,
 * which takes 1.2 to 1.6 ms to load. A few calls of the C library take 0.2.
 */

import { Buffer } from "node:buffer";
import process from "node:process";
import { cString, fromLibc, O_APPEND, O_CLOEXEC, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "./libc.ts";
import { nodeFs } from "./node_modules.ts";

interface Reading {
  access(path: Uint8Array, mode: number): number;
  open(path: Uint8Array, flags: number): number;
  read(fd: number, memory: Uint8Array, bytes: number): number;
  close(fd: number): number;
}

interface Writing {
  open(path: Uint8Array, flags: number, mode: number): number;
  write(fd: number, memory: Uint8Array, bytes: number): number;
  close(fd: number): number;
  rename(from: Uint8Array, to: Uint8Array): number;
  unlink(path: Uint8Array): number;
  readlink(path: Uint8Array, memory: Uint8Array, bytes: number): number;
}

const CHUNK_BYTES = 4096;
const ONLY_OURS = 0o600;

/** Whether there is something at the end of the path, links followed. */
export function fileExists(path: string): boolean {
  const calls = reading();
  return calls ? calls.access(cString(path), 0) === 0 : nodeFs().existsSync(path);
}

/** @throws {Error} The file cannot be read. */
export function fileText(path: string): string {
  const calls = reading();
  return calls ? readAll(calls, path) : nodeFs().readFileSync(path, "utf8");
}

/** What a symbolic link says. @throws {Error} It is none, or says more than 4095 bytes. */
export function linkTarget(path: string): string {
  const calls = writing();
  if (!calls) return nodeFs().readlinkSync(path);
  const memory = Buffer.allocUnsafe(CHUNK_BYTES);
  const count = calls.readlink(cString(path), memory, CHUNK_BYTES);
  if (count < 0 || count === CHUNK_BYTES) throw new Error(`Cannot read the link ${path}`);
  return memory.toString("utf8", 0, count);
}

/** Nothing happens where there is none. */
export function removeFile(path: string): void {
  const calls = writing();
  if (calls) calls.unlink(cString(path));
  else nodeFs().rmSync(path, { force: true });
}

/** A file that nobody else may read, written at its end. */
export class NewFile {
  #path: string;
  readonly #fd: number;

  /** @throws {Error} It cannot be made, or is there already. */
  constructor(path: string) {
    this.#path = path;
    const calls = writing();
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
    this.#fd = calls ? calls.open(cString(path), flags, ONLY_OURS) : nodeFs().openSync(path, "ax", ONLY_OURS);
    if (this.#fd < 0) throw new Error(`Cannot make the file ${path}`);
  }

  get path(): string {
    return this.#path;
  }

  /** How many bytes were added. @throws {Error} There is no room for all of them. */
  append(text: string): number {
    const bytes = Buffer.from(text);
    const calls = writing();
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.subarray(done);
      const count = calls ? calls.write(this.#fd, rest, rest.length) : nodeFs().writeSync(this.#fd, rest);
      if (count < 0) throw new Error(`Cannot write to ${this.#path}`);
      done += count;
    }
    return bytes.length;
  }

  /** Takes the place of what is there. @throws {Error} It cannot. */
  moveTo(path: string): void {
    const calls = writing();
    if (!calls) nodeFs().renameSync(this.#path, path);
    else if (calls.rename(cString(this.#path), cString(path)) !== 0)
      throw new Error(`Cannot make ${path} anew`);
    this.#path = path;
  }

  close(): void {
    const calls = writing();
    if (calls) calls.close(this.#fd);
    else nodeFs().closeSync(this.#fd);
  }
}

function readAll({ open, read, close }: Reading, path: string): string {
  const fd = open(cString(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw new Error(`Cannot open ${path}`);
  try {
    const chunks: Uint8Array[] = [];
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const count = read(fd, chunk, CHUNK_BYTES);
      if (count < 0) throw new Error(`Cannot read ${path}`);
      if (count === 0) return Buffer.concat(chunks).toString();
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    close(fd);
  }
}

const reading = callsOfLibc<Reading>(({ ptr, i32, u64, i64_fast }) => ({
  access: { args: [ptr, i32], returns: i32 },
  open: { args: [ptr, i32], returns: i32 },
  read: { args: [i32, ptr, u64], returns: i64_fast },
  close: { args: [i32], returns: i32 },
}));

const writing = callsOfLibc<Writing>(({ ptr, i32, u64, i64_fast }) => ({
  open: { args: [ptr, i32, i32], returns: i32 },
  write: { args: [i32, ptr, u64], returns: i64_fast },
  close: { args: [i32], returns: i32 },
  rename: { args: [ptr, ptr], returns: i32 },
  unlink: { args: [ptr], returns: i32 },
  readlink: { args: [ptr, ptr, u64], returns: i64_fast },
}));

type Ffi = typeof import("bun:ffi");
type Table<T> = Record<keyof T & string, import("bun:ffi").FFIFunction>;

/** Calls of the C library, opened at the first use; undefined where they cannot be had. */
export function callsOfLibc<T>(table: (types: Ffi["FFIType"]) => Table<T>): () => T | undefined {
  let isOpen = false;
  let calls: T | undefined;
  return () => {
    if (!isOpen) {
      isOpen = true;
      calls = openCalls(table);
    }
    return calls;
  };
}

function openCalls<T>(table: (types: Ffi["FFIType"]) => Table<T>): T | undefined {
  if (process.platform !== "linux" || process.versions.bun === undefined) return undefined;
  try {
    const { dlopen, FFIType } = process.getBuiltinModule("bun:ffi") as unknown as Ffi;
    const signatures = table(FFIType);
    return fromLibc((name) => dlopen(name, signatures).symbols as unknown as T);
  } catch {
    // No foreign calls here.
    return undefined;
  }
}
