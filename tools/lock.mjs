/** One at a time, over all processes that work in this folder. */

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

const POLL_MS = 200;
/** Within this time all have come who saw that the last holder has ended. */
const SETTLE_MS = 300;

/** Whether a process of this number is there. */
export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** When a process began, as the system counts; "" where it does not tell. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program, in brackets, may hold anything.
    return stat.slice(stat.lastIndexOf(")")).split(" ")[20] ?? "";
  } catch {
    return "";
  }
}

/**
 * Does something while nobody else does anything of that name. A holder that has ended holds no longer.
 * @param onWait Called once, with the holder's process number, when there is one.
 */
export function exclusively(name, onWait, act) {
  const path = join(root, "dist", `.${name}.lock`);
  mkdirSync(join(root, "dist"), { recursive: true });
  for (let isFirst = true; !take(path); isFirst = false) {
    const holder = holderOf(path);
    if (isFirst && holder !== undefined) onWait(holder.pid);
    sleep(POLL_MS);
  }
  try {
    return act();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Whether we have it now. It appears with our name in it, so that nobody takes it for abandoned. */
function take(path) {
  const own = `${path}-${process.pid}`;
  writeFileSync(own, ownName());
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return takeOver(path, own);
  } finally {
    rmSync(own, { force: true });
  }
}

/** From a holder that has ended. Of several who do so the last one has it. */
function takeOver(path, own) {
  const holder = holderOf(path);
  if (holder === undefined || isHolding(holder) || holderOf(path)?.name !== holder.name) return false;
  renameSync(own, path);
  sleep(SETTLE_MS);
  return holderOf(path)?.name === ownName();
}

/** Numbers are given out again, and in a container the same ones each time. */
function ownName() {
  return `${process.pid} ${startOf(process.pid)}`;
}

/** Undefined when there is none. */
function holderOf(path) {
  try {
    const name = readFileSync(path, "utf8");
    const [pid, start = ""] = name.split(" ");
    // A file that says nothing was left by a machine that went out.
    return { name, pid: Number(pid) || 0, start };
  } catch {
    return undefined;
  }
}

function isHolding({ pid, start }) {
  const now = startOf(pid);
  return pid > 0 && isAlive(pid) && (start === "" || now === "" || now === start);
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
