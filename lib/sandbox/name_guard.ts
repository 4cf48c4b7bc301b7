/**
 * Answers a confined program's calls that make names. The kernel's file rules let it make none by itself, and its filter has
 * these calls wait for us: we make what may be, in the folder that we have opened and looked at, so that no path can be
 * exchanged between the check and the use.
 */

import type { Kernel } from "../runtime/runtime.ts";
import { AskingTask } from "./asking_task.ts";
import { type Answer, NameCalls } from "./name_calls.ts";
import { NameRules, type NewNames } from "./name_rules.ts";
import { withoutRights } from "./own_rights.ts";
import { type Architecture, type CallName, callNumber } from "./system_calls.ts";

/** `struct seccomp_notif`, `seccomp_notif_resp` and `seccomp_notif_addfd`, and the requests that take them. */
const ASKED_BYTES = 80;
const ANSWER_BYTES = 24;
const RECEIVE = 0xc0502100;
const SEND = 0xc0182101;
const IS_VALID = 0x40082102;
const ADD_DESCRIPTOR = 0x40182103;
const GO_ON = 1;
const ADD_AND_SEND = 2;
const O_CLOEXEC = 0o2000000;
const POLLIN = 1;
/** So many answers in a row, then others have their turn. */
const MAX_ANSWERS = 64;
const EPERM = 1;

const guarded: readonly CallName[] = [
  ...(["open", "creat", "openat", "openat2", "mkdir", "mkdirat", "mknod", "mknodat", "symlink"] as const),
  ...(["symlinkat", "link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat"] as const),
];

export class NameGuard {
  readonly #kernel: Kernel;
  readonly #architecture: Architecture;
  readonly #calls: NameCalls;
  readonly #names: ReadonlyMap<number, CallName>;
  #hasDenied = false;

  constructor(kernel: Kernel, architecture: Architecture, names: NewNames) {
    this.#kernel = kernel;
    this.#architecture = architecture;
    this.#calls = new NameCalls(kernel, architecture, new NameRules(names));
    const numbered = guarded.map((name) => [callNumber(architecture, name), name] as const);
    this.#names = new Map(numbered.filter((each): each is [number, CallName] => each[0] !== undefined));
  }

  /** A name has been refused because of a rule. */
  get hasDenied(): boolean {
    return this.#hasDenied;
  }

  /** Until nothing is left that the filter holds for. Closes the listener. */
  async serve(listener: number): Promise<void> {
    try {
      while (!(await this.#kernel.readable(listener))) {
        for (let i = 0; i < MAX_ANSWERS && this.#answerNext(listener); i++);
      }
    } finally {
      // Whatever waits gets an error: without us nothing is made.
      this.#kernel.forget(listener);
    }
  }

  /** False when nobody waits. */
  #answerNext(listener: number): boolean {
    const poll = new DataView(new ArrayBuffer(8));
    poll.setInt32(0, listener, true);
    poll.setUint16(4, POLLIN, true);
    const none = new Uint8Array(16);
    const polled = this.#call("ppoll", new Uint8Array(poll.buffer), 1, none, 0, 8);
    // Without somebody who waits the next call would wait itself.
    if (polled !== 1 || (poll.getUint16(6, true) & POLLIN) === 0) return false;
    const asked = new DataView(new ArrayBuffer(ASKED_BYTES));
    if (this.#call("ioctl", listener, RECEIVE, new Uint8Array(asked.buffer)) < 0) return true;
    const id = asked.getBigUint64(0, true);
    let answer: Answer;
    try {
      answer = withoutRights(this.#kernel, this.#architecture, () => this.#decide(listener, id, asked));
    } catch {
      answer = { result: -EPERM };
    }
    this.#send(listener, id, answer);
    return true;
  }

  #decide(listener: number, id: bigint, asked: DataView): Answer {
    const name = this.#names.get(asked.getInt32(16, true));
    if (name === undefined) return "goOn";
    const task = new AskingTask(this.#kernel, this.#architecture, asked.getUint32(8, true));
    try {
      // What has been opened belongs to who asks, unless the number is another's by now.
      if (!task.begin() || !this.#isWaiting(listener, id)) return "goOn";
      const args = [0, 1, 2, 3, 4, 5].map((i) => Number(asked.getBigInt64(32 + 8 * i, true)));
      return this.#calls.answer(task, { name, args });
    } finally {
      task.close();
    }
  }

  #isWaiting(listener: number, id: bigint): boolean {
    const bytes = new Uint8Array(new BigUint64Array([id]).buffer);
    return this.#call("ioctl", listener, IS_VALID, bytes) === 0;
  }

  #send(listener: number, id: bigint, answer: Answer): void {
    const message = new DataView(new ArrayBuffer(ANSWER_BYTES));
    message.setBigUint64(0, id, true);
    if (typeof answer === "object" && "fd" in answer) {
      message.setUint32(8, ADD_AND_SEND, true);
      message.setUint32(12, answer.fd, true);
      message.setUint32(20, answer.closeOnExec ? O_CLOEXEC : 0, true);
      const number = callNumber(this.#architecture, "ioctl")!;
      const added = this.#kernel.attempt(number, listener, ADD_DESCRIPTOR, new Uint8Array(message.buffer));
      this.#kernel.close(answer.fd);
      // It may have as many descriptors as it can have.
      if (added < 0) this.#send(listener, id, { result: added });
      return;
    }
    if (answer === "goOn") {
      message.setUint32(20, GO_ON, true);
    } else {
      if (answer.denied) this.#hasDenied = true;
      if (answer.result < 0) message.setInt32(16, answer.result, true);
      else message.setBigInt64(8, BigInt(answer.result), true);
    }
    this.#call("ioctl", listener, SEND, new Uint8Array(message.buffer));
  }

  #call(name: "ioctl" | "ppoll", ...args: (number | Uint8Array)[]): number {
    return this.#kernel.call(callNumber(this.#architecture, name)!, ...args);
  }
}
