/** Commands whose output is ours. */

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { root } from "./paths.mjs";

/** No command may take longer: a hanging one is ended and counts as failed. */
const timeoutMs = 25 * 60_000;
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** A signal has ended the command, and what it had started. */
export class Interrupted extends Error {
  constructor(signal) {
    super(`Ended by ${signal}`);
    this.status = 128 + constants.signals[signal];
  }
}

/**
 * Runs a command; all its output goes to our stdout, so that the order is kept. Resolves with its status.
 * @throws {Interrupted}
 */
export function runStreaming([program, ...args], env) {
  // A group of its own, as the servers that tests start do not end with who has started them.
  const detached = process.platform !== "win32";
  let child;
  let interruptedBy;
  const endAll = (signal) => {
    try {
      process.kill(detached ? -child.pid : child.pid, signal);
    } catch {
      // All have ended.
    }
  };
  const stop = (signal) => {
    endAll(interruptedBy === undefined ? signal : "SIGKILL");
    interruptedBy ??= signal;
  };
  // Before there is something that a signal would leave behind.
  for (const signal of signals) process.on(signal, stop);
  child = spawn(program, args, { cwd: root, env, stdio: ["ignore", 1, 1], detached });
  const tooLong = setTimeout(() => {
    console.log(`Ended after ${timeoutMs / 60_000} minutes: ${args.join(" ")}`);
    endAll("SIGKILL");
  }, timeoutMs);
  return new Promise((resolve, reject) => {
    const end = (status) => {
      clearTimeout(tooLong);
      for (const signal of signals) process.off(signal, stop);
      if (interruptedBy === undefined) resolve(status);
      else reject(new Interrupted(interruptedBy));
    };
    child.on("error", (error) => {
      console.log(`Cannot run ${program}: ${error.message}`);
      end(127);
    });
    child.on("exit", (code) => {
      // One that was killed has not ended what it had started.
      if (code === null) endAll("SIGTERM");
      end(code ?? 1);
    });
  });
}
