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

/**
 * Does something while nobody else does anything of that name. A holder that has ended holds no longer.
 * @param onWait Called once, with the holder's process number, when there is one.
 */
export function exclusively(name, onWait, act) {
  const path = join(root, "dist", `.${name}.lock`);
  mkdirSync(join(root, "dist"), { recursive: true });
  for (let isFirst = true; !take(path); isFirst = false) {
    const holder = holderOf(path);
    if (isFirst && holder !== undefined) onWait(holder);
    sleep(POLL_MS);
  }
  try {
    return act();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Whether we have it now. It appears with our number in it, so that nobody takes it for abandoned. */
function take(path) {
  const own = `${path}-${process.pid}`;
  writeFileSync(own, String(process.pid));
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
  if (holder === undefined || isAlive(holder) || holderOf(path) !== holder) return false;
  renameSync(own, path);
  sleep(SETTLE_MS);
  return holderOf(path) === process.pid;
}

/** Undefined when there is none. */
function holderOf(path) {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
