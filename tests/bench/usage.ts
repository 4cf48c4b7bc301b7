/** What a process uses, from the process table of Linux. */

import { readdirSync, readFileSync } from "node:fs";

/** Ticks a second, on every Linux that matters. */
const TICKS = 100;

/** CPU time of the process itself, in seconds: of all threads, or finer while none has ended. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Math.max((Number(fields[11]) + Number(fields[12])) / TICKS, threadMilliseconds(pid) / 1000);
}

/** CPU time of the threads that live now, in milliseconds and finer than a tick. */
export function threadMilliseconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  }
  return nanoseconds / 1e6;
}

/** The most memory that was resident at once. */
export function peakMegabytes(pid: number): number {
  return kilobytesOf(pid, "VmHWM") / 1000;
}

/** Memory that is resident now. */
export function residentMegabytes(pid: number): number {
  return kilobytesOf(pid, "VmRSS") / 1000;
}

/** The part of it that is not pages of a file, which the system could drop and other processes can share. */
export function anonymousMegabytes(pid: number): number {
  return kilobytesOf(pid, "RssAnon") / 1000;
}

/** The kernel's kB are of 1024 bytes; answered are those of 1000. */
function kilobytesOf(pid: number, field: string): number {
  const [, kilobytes = "0"] =
    new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kilobytes) * 1.024;
}
