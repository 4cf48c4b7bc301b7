/** One at a time, over all processes that work in this folder. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

const POLL_MS = 200;

/** Whether a process of this number is there. */
export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Does something while nobody else does anything of that name. A holder that has ended holds no longer.
 * @param onWait Called once, with the holder's process number, when there is one.
 */
export function exclusively(name, onWait, act) {
  const path = join(root, "dist", `.${name}.lock`);
  mkdirSync(join(root, "dist"), { recursive: true });
  for (let waits = false; !take(path); waits = true) {
    const holder = holderOf(path);
    if (holder !== undefined && isAlive(holder)) {
      if (!waits) onWait(holder);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    } else {
      dropOf(path, holder);
    }
  }
  try {
    return act();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined when there is none, or one that is just beginning. */
function holderOf(path) {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

/** By another name first: of several who wait only one has it then, and sees whether it was another holder's. */
function dropOf(path, holder) {
  const own = `${path}-${process.pid}`;
  try {
    renameSync(path, own);
  } catch {
    return;
  }
  const dropped = holderOf(own);
  if (dropped !== undefined && dropped !== holder && isAlive(dropped)) renameSync(own, path);
  else rmSync(own);
}
