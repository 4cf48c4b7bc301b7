/**
 * Waits for an epoll set on Bun, whose foreign function interface has no call in the background.
 *
 * Asynchronous IO of Linux can watch a set and count up an `eventfd`, which Bun reads as a file: one stream for as long
 * as anybody waits (`tests/bench/epoll_wait.ts`: 5 µs a wait). Where the kernel or a filter does not have it, Bun
 * watches the set itself: it waits until the set is readable and then fails to read it, with EINVAL. That takes a new
 * stream for each wait, and a trip to a thread of Bun's pool (13 µs, and several times that on a busy machine).
 */

import process from "node:process";
import type { EpollWait } from "./epoll.ts";
import { type Libc, O_CLOEXEC, O_NONBLOCK } from "./libc.ts";

/** How often the set is looked at should a later Bun not wait for it: a poll, not a loop that takes a whole core. */
const POLL_MS = 5;

export function waitOnBun(libc: Libc): EpollWait {
  const watch = AioWatch.open(libc);
  return {
    next: async (epoll, events, max) => {
      if (await watch?.readable(epoll)) return libc.epoll_wait(epoll, events, max, 0);
      await setReadable(epoll);
      const count = libc.epoll_wait(epoll, events, max, 0);
      if (count === 0) await Bun.sleep(POLL_MS);
      return count;
    },
    rest: () => watch?.rest(),
  };
}

async function setReadable(epoll: number): Promise<void> {
  await Bun.file(epoll)
    .stream()
    .getReader()
    .read()
    .catch(() => null);
}

interface AioNumbers {
  setup: number;
  submit: number;
  getEvents: number;
}

/** Numbers of `io_setup`, `io_submit` and `io_getevents`. */
const aioNumbers: Partial<Record<string, AioNumbers>> = {
  x64: { setup: 206, submit: 209, getEvents: 208 },
  arm64: { setup: 0, submit: 2, getEvents: 4 },
};
const IOCB_CMD_POLL = 5;
const IOCB_FLAG_RESFD = 1;
const POLLIN = 1;
/** More than the one that is ever on its way: the kernel hands room out by processor. */
const AIO_EVENTS = 128;
const AIO_EVENT_BYTES = 32;

/** One request of asynchronous IO, made anew for each wait. */
class AioWatch {
  readonly #libc: Libc;
  readonly #numbers: AioNumbers;
  readonly #context: number;
  readonly #signal: number;
  /** `struct iocb` of <linux/aio_abi.h>. */
  readonly #request = new DataView(new ArrayBuffer(64));
  readonly #requests = new BigUint64Array(1);
  readonly #done = new Uint8Array(AIO_EVENTS * AIO_EVENT_BYTES);
  readonly #requestsAt: number;
  readonly #doneAt: number;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  /** Undefined where there is no asynchronous IO. */
  static open(libc: Libc): AioWatch | undefined {
    const numbers = aioNumbers[process.arch];
    if (!numbers) return undefined;
    const context = new BigUint64Array(1);
    const result = libc.syscall(numbers.setup, AIO_EVENTS, addressOf(libc, context), 0, 0, 0);
    return result === 0 ? new AioWatch(libc, numbers, Number(context[0])) : undefined;
  }

  private constructor(libc: Libc, numbers: AioNumbers, context: number) {
    this.#libc = libc;
    this.#numbers = numbers;
    this.#context = context;
    this.#signal = libc.eventfd(0, O_CLOEXEC | O_NONBLOCK);
    this.#request.setUint16(16, IOCB_CMD_POLL, true);
    this.#request.setBigUint64(24, BigInt(POLLIN), true);
    this.#request.setUint32(56, IOCB_FLAG_RESFD, true);
    this.#request.setUint32(60, this.#signal, true);
    this.#requests[0] = libc.addressOf(new Uint8Array(this.#request.buffer));
    this.#requestsAt = addressOf(libc, this.#requests);
    this.#doneAt = addressOf(libc, this.#done);
  }

  /** Settles when the set is readable; false when that cannot be watched this time. */
  async readable(epoll: number): Promise<boolean> {
    const { submit, getEvents } = this.#numbers;
    this.#request.setUint32(20, epoll, true);
    if (this.#libc.syscall(submit, this.#context, 1, this.#requestsAt, 0, 0) !== 1) return false;
    this.#reader ??= Bun.file(this.#signal).stream().getReader();
    const { done } = await this.#reader.read();
    this.#libc.syscall(getEvents, this.#context, 0, AIO_EVENTS, this.#doneAt, 0);
    return !done;
  }

  /** Nobody waits: the stream would keep the program alive, as it reads ahead. */
  rest(): void {
    this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
  }
}

function addressOf(libc: Libc, memory: BigUint64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>): number {
  return Number(libc.addressOf(new Uint8Array(memory.buffer)));
}
