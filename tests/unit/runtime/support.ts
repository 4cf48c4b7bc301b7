/** What the cases share: a case, a deadline, children that are easy to start, and a look at our descriptors. */

import { deepStrictEqual, fail, ok } from "node:assert";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { ByteSource, Child, Runtime, SpawnOptions } from "../../../lib/runtime/runtime.ts";

/** One behaviour. It throws when the runtime lacks it, and answers a reason, a string, when the system cannot show it. */
export interface Case {
  name: string;
  run(runtime: Runtime): Promise<unknown>;
}

/** For anything that is waited for: only a fault reaches it. */
export const DEADLINE_MS = 20_000;
export const terminal = { columns: 80, rows: 24 };
export const MIB = 1024 * 1024;

/** Runs a case, and checks that it left no child and no descriptor. */
export async function runCase(oneCase: Case, runtime: Runtime): Promise<string | undefined> {
  // The first child loads the library, which keeps two descriptors for good.
  await output(run(runtime, ["/bin/true"]));
  const before = openFds();
  let skipped: string | undefined;
  try {
    const answer = await within(oneCase.run(runtime), "the case", 3 * DEADLINE_MS);
    if (typeof answer === "string") skipped = answer;
  } catch (error) {
    // Its children must not spoil the next case.
    for (const pid of children()) process.kill(-Number(pid), 9);
    throw error;
  }
  await until(() => children().length === 0, "all children are gone");
  await until(
    () => openFds().length <= before.length,
    () => `descriptors are closed: ${news(before)}`,
  );
  return skipped;
}

function news(before: string[]): string {
  return openFds()
    .filter((fd) => !before.includes(fd))
    .join(", ");
}

/** Rejects when the promise takes too long. */
export async function within<T>(promise: Promise<T>, what: string, ms: number = DEADLINE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for what no event tells. */
export async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end)
      fail(`Not in ${DEADLINE_MS} ms: ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a number has stayed the same for a while, and answers it. */
export async function settled(value: () => number): Promise<number> {
  let last = value();
  let same = 0;
  await until(() => {
    const now = value();
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 20;
  }, "the number stays the same");
  return last;
}

/** Starts a program with hardly anything in its environment. */
export function run(runtime: Runtime, argv: string[], more: Partial<SpawnOptions> = {}): Child {
  return runtime.spawn({
    file: argv[0]!,
    argv,
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdin: "null",
    ...more,
  });
}

/** The same for a shell script; `$1` and so on are the arguments. */
export function shell(
  runtime: Runtime,
  script: string,
  more: Partial<SpawnOptions> = {},
  ...args: string[]
): Child {
  return run(runtime, ["/bin/sh", "-c", script, "sh", ...args], more);
}

/** Reads to the end of the child's output and waits for its exit. */
export async function output(
  child: Child,
): Promise<{ stdout: Uint8Array; text: string; stderr: string; code: number | null; signal: number | null }> {
  const all = Promise.all([readAll(child.stdout), child.stderr ? readAll(child.stderr) : null, child.exited]);
  const [stdout, stderr, status] = await within(all, "output and exit");
  child.stdin?.destroy();
  return { stdout, text: decode(stdout), stderr: stderr ? decode(stderr) : "", ...status };
}

/** Ends a child with all that it started, and frees what we hold of it. */
export async function dispose(child: Child): Promise<void> {
  child.signalGroup(9);
  child.stdin?.destroy();
  child.stdout.cancel();
  child.stderr?.cancel();
  await within(child.exited, "the exit of a killed child");
}

export async function readAll(source: ByteSource): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let part = await source.read(); part; part = await source.read()) {
    ok(part.length > 0, "read() answered an empty array");
    parts.push(part);
  }
  return concat(parts);
}

/** Reads until the text has come; answers all that was read. */
export async function readUntil(source: ByteSource, text: string): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  while (!all.includes(text)) {
    const part = await within(source.read(), `"${text}" after "${all}"`);
    if (part === null) fail(`The end came before "${text}", after "${all}"`);
    all += decoder.decode(part, { stream: true });
  }
  return all;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Every byte value in every neighbourhood, the same at every call. */
export function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 12345;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = i < 256 ? i : state >>> 16;
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Compares without printing megabytes when it fails. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  deepStrictEqual(
    { what, length: actual.length, sha256: sha256(actual) },
    { what, length: expected.length, sha256: sha256(expected) },
  );
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Gives the case a folder of its own. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "runtime-test-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Our descriptors, as `number what`, without those that the runtimes open and close at their own times: copies of
 * epoll sets and of the counters that stand for them, and the pair of sockets that Deno makes half a second after its
 * start.
 */
export function openFds(): string[] {
  const local = new Set(readFileSync("/proc/net/unix", "utf8").match(/\b\d+(?=( \S*)?$)/gm));
  return readdirSync("/proc/self/fd")
    .map((fd) => `${fd} ${linkOf(fd)}`)
    .filter((fd) => !fd.endsWith(" ") && !/\[(eventpoll|eventfd)\]/.test(fd))
    .filter((fd) => !local.has(/socket:\[(\d+)\]/.exec(fd)?.[1] ?? ""));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The one that listed the folder.
    return "";
  }
}

/** Children of ours, zombies included. */
export function children(): string[] {
  return readdirSync("/proc/self/task").flatMap((task) => {
    const path = `/proc/self/task/${task}/children`;
    try {
      return readFileSync(path, "utf8").split(" ").filter(Boolean);
    } catch {
      // A thread that has just ended.
      return [];
    }
  });
}

/** A field of `/proc/<pid>/io`, 0 when the process is gone. */
export function ioOf(pid: number, field: "rchar" | "wchar"): number {
  const path = `/proc/${pid}/io`;
  if (!existsSync(path)) return 0;
  return Number(new RegExp(`^${field}: (\\d+)$`, "m").exec(readFileSync(path, "utf8"))?.[1] ?? 0);
}

/** How to start a script on the runtime that runs the case. */
export function programCommand(runtime: Runtime, script: string): string[] {
  const path = join(import.meta.dirname, script);
  return runtime.name === "bun" ? [process.execPath, path] : [process.execPath, "run", "-A", path];
}
