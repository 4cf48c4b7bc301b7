import { describe, expect, test } from "bun:test";
import { Process, type ProcessLink } from "../../../lib/client/process.ts";
import type { NumberedEvent, ProcessEvent } from "../../../lib/client/sequencer.ts";
import { ExecServerError, RpcError } from "../../../lib/protocol/errors.ts";
import type { ReadResult } from "../../../lib/protocol/process.ts";
import { until, within } from "../../support/deadline.ts";

const WAIT_MS = 5000;

/** A link that notes what it is asked. */
class FakeLink implements ProcessLink {
  readonly isObserved = false;
  async leave(): Promise<void> {}
  readonly calls: string[] = [];
  readonly consumedSeqs: number[] = [];
  consumedBytes = 0;
  receivedBytes = 0;
  readers = 0;
  isFull = false;
  isLow = true;
  answer: ReadResult | undefined;
  /** Thrown instead, once. */
  refusal: Error | undefined;
  onTerminate: (() => void) | undefined;

  async write(bytes: Uint8Array) {
    this.calls.push(`write ${bytes.length}`);
    return "accepted" as const;
  }
  async closeStdin() {
    this.calls.push("closeStdin");
    return "accepted" as const;
  }
  async signal(signal: string) {
    this.calls.push(`signal ${signal}`);
  }
  async terminate() {
    this.calls.push("terminate");
    this.onTerminate?.();
    return true;
  }
  async resize({ columns, rows }: { columns: number; rows: number }) {
    this.calls.push(`resize ${columns}x${rows}`);
  }
  received(bytes: number) {
    this.receivedBytes += bytes;
  }
  reads() {
    this.readers++;
  }
  consumed(bytes: number, seq: number) {
    this.consumedBytes += bytes;
    this.consumedSeqs.push(seq);
  }
  async readAfter(seq: number) {
    this.calls.push(`read ${seq}`);
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal) throw refusal;
    return this.answer;
  }
}

function make(): { link: FakeLink; process: Process } {
  const link = new FakeLink();
  return { link, process: new Process("p", link) };
}

const output = (seq: number, text = "x"): NumberedEvent => ({
  kind: "output",
  seq,
  stream: "stdout",
  bytes: Buffer.from(text),
});
const exited = (seq: number, exitCode = 0): NumberedEvent => ({
  kind: "exited",
  seq,
  exitCode,
  sandboxDenied: false,
});
const closed = (seq: number): NumberedEvent => ({ kind: "closed", seq });

async function all(process: Process): Promise<ProcessEvent[]> {
  return await within(WAIT_MS, "all events", Array.fromAsync(process));
}

describe("reading the events", () => {
  test("gives those from before and from after, and ends with closed", async () => {
    const { link, process } = make();
    process.accept(output(1));
    const events = all(process);
    await Bun.sleep(1);
    process.accept(output(2, "yy"));
    process.accept(exited(3, 5));
    process.accept(closed(4));
    expect((await events).map(({ kind }) => kind)).toEqual(["output", "output", "exited", "closed"]);
    expect([link.consumedBytes, link.consumedSeqs]).toEqual([3, [1, 2]]);
  });

  test("ends with failed when the connection is lost, after what had come", async () => {
    const { process } = make();
    process.accept(output(1));
    process.fail("cut");
    process.fail("again");
    expect(await all(process)).toEqual([output(1), { kind: "failed", message: "cut" }]);
    expect(await process.wait()).toEqual({ kind: "lost", message: "cut" });
    await within(WAIT_MS, "closed", process.closed);
  });

  test("output counts as taken only when the reader asks for more", async () => {
    const { link, process } = make();
    process.accept(output(1));
    process.accept(output(2));
    const reader = process[Symbol.asyncIterator]();
    await reader.next();
    await Bun.sleep(1);
    expect(link.consumedSeqs).toEqual([]);
    await reader.next();
    expect(link.consumedSeqs).toEqual([1]);
    await reader.return();
  });

  test("a second reader is an error with a code", async () => {
    const { process } = make();
    process.accept(output(1));
    const first = process[Symbol.asyncIterator]();
    await first.next();
    const second = process[Symbol.asyncIterator]().next();
    const error = (await second.catch((refusal) => refusal)) as ExecServerError;
    expect(error).toBeInstanceOf(ExecServerError);
    expect(error.code).toBe("ERR_CLOSED");
    await first.return();
  });

  test("who stops early has taken everything, also the last piece and what comes later", async () => {
    const { link, process } = make();
    for (const seq of [1, 2, 3]) process.accept(output(seq, "abc"));
    for await (const event of process) {
      expect(event).toEqual(output(1, "abc"));
      break;
    }
    expect([link.consumedBytes, link.consumedSeqs]).toEqual([9, [1, 2, 3]]);
    process.accept(output(4, "abc"));
    expect(link.consumedSeqs).toEqual([1, 2, 3, 4]);
    process.accept(exited(5, 1));
    process.accept(closed(6));
    await within(WAIT_MS, "closed", process.closed);
  });

  test("who throws in the loop has taken everything too", async () => {
    const { link, process } = make();
    process.accept(output(1, "abc"));
    const loop = async (): Promise<void> => {
      for await (const _ of process) throw new Error("mine");
    };
    await expect(loop()).rejects.toThrow("mine");
    expect(link.consumedBytes).toBe(3);
  });
});

describe("waiting", () => {
  test("without a reader drops output, so that it holds nothing back", async () => {
    const { link, process } = make();
    process.accept(output(1, "ab"));
    const end = process.wait();
    process.accept(output(2, "cd"));
    expect(link.consumedBytes).toBe(4);
    process.accept(exited(3, 9));
    expect(await within(WAIT_MS, "end", end)).toEqual({ kind: "exited", exitCode: 9, sandboxDenied: false });
  });

  test("beside a reader drops nothing", async () => {
    const { process } = make();
    const events = all(process);
    await Bun.sleep(1);
    const end = process.wait();
    process.accept(output(1));
    process.accept(exited(2));
    process.accept(output(3));
    process.accept(closed(4));
    expect((await end).kind).toBe("exited");
    expect((await events).map(({ kind }) => kind)).toEqual(["output", "exited", "output", "closed"]);
  });
});

describe("a missing number", () => {
  test("is read after 250 ms, and filled", async () => {
    const { link, process } = make();
    link.answer = {
      chunks: [1, 2].map((seq) => ({ seq, stream: "stdout", chunk: Buffer.from("x") })),
      nextSeq: 5,
      exited: true,
      exitCode: 3,
      closed: true,
      failure: null,
    };
    const from = performance.now();
    process.accept(output(2));
    const events = await all(process);
    expect(performance.now() - from).toBeGreaterThanOrEqual(240);
    expect(link.calls).toEqual(["read 0"]);
    expect(events).toEqual([output(1), output(2), exited(3, 3), closed(4)]);
  });

  test("that comes in time is not read", async () => {
    const { link, process } = make();
    process.accept(output(2));
    await Bun.sleep(50);
    process.accept(output(1));
    await Bun.sleep(300);
    expect(link.calls).toEqual([]);
  });

  test("of a server whose answer does not number the end is read again", async () => {
    const { link, process } = make();
    // As 0.138.0 has it: `nextSeq` follows the last chunk, though 3 and 4 are the exit and the end.
    const old = { exited: true, exitCode: 3, closed: true, failure: null };
    link.answer = {
      chunks: [1, 2].map((seq) => ({ seq, stream: "stdout", chunk: Buffer.from("x") })),
      nextSeq: 3,
      ...old,
    };
    process.accept(output(2));
    await until(WAIT_MS, "first read", () => link.calls.length === 1);
    link.answer = { chunks: [], nextSeq: 5, ...old };
    expect(await all(process)).toEqual([output(1), output(2), exited(3, 3), closed(4)]);
    expect(link.calls).toEqual(["read 0", "read 2"]);
  });

  test("that the server does not give is a gap, and nobody waits on", async () => {
    const { link, process } = make();
    link.refusal = new RpcError(-32603, "no");
    process.accept(output(1, "a"));
    process.accept(output(3, "c"));
    process.accept(exited(6, 4));
    process.accept(closed(7));
    const events = await all(process);
    expect(events.filter(({ kind }) => kind === "gap")).toEqual([
      { kind: "gap", firstSeq: 2, lastSeq: 2 },
      { kind: "gap", firstSeq: 4, lastSeq: 5 },
    ]);
    expect(await process.wait()).toMatchObject({ kind: "exited", exitCode: 4 });
    expect(link.calls).toEqual(["read 1"]);
  });

  test("of a process that the server does not know any more ends the handle, behind what had come", async () => {
    const { link, process } = make();
    link.refusal = new RpcError(-32600, "unknown process id p");
    process.accept(output(2, "b"));
    const events = await all(process);
    expect(events.map(({ kind }) => kind)).toEqual(["gap", "output", "failed"]);
    expect(await process.wait()).toEqual({
      kind: "lost",
      message: "the server does not know the process any more: unknown process id p",
    });
  });

  test("is asked for again when there was no answer, or no connection", async () => {
    const { link, process } = make();
    link.refusal = new ExecServerError("ERR_CALL_TIMEOUT", "late");
    process.accept(output(2, "b"));
    process.accept(exited(3));
    process.accept(closed(4));
    await until(WAIT_MS, "three attempts", () => link.calls.length === 3);
    process.accept(output(1, "a"));
    expect((await all(process)).map(({ kind }) => kind)).toEqual(["output", "output", "exited", "closed"]);
  });

  test("that was the exit leaves the end unknown", async () => {
    const { link, process } = make();
    link.refusal = new RpcError(-32603, "no");
    process.accept(output(1, "a"));
    process.accept(closed(3));
    const end = process.wait();
    expect(await within(WAIT_MS, "end", end)).toEqual({
      kind: "unknown",
      message: "it has ended, but its exit code was lost",
    });
  });

  test("leaves no timer when the process fails first", async () => {
    const { link, process } = make();
    process.accept(output(2));
    process.fail("cut");
    await Bun.sleep(300);
    expect(link.calls).toEqual([]);
  });
});

describe("output that is too much to keep", () => {
  test("is dropped, and fetched again when the reader has caught up; what the server gave up is a gap", async () => {
    const { link, process } = make();
    const reader = process[Symbol.asyncIterator]();
    process.accept(output(1, "a"));
    link.isFull = true;
    link.isLow = false;
    for (const seq of [2, 3, 4]) process.accept(output(seq));
    link.isFull = false;
    // It goes on being dropped until little waits.
    process.accept(output(5));
    expect(process.lastSeq).toBe(1);
    expect((await reader.next()).value).toMatchObject({ seq: 1 });
    link.isLow = true;
    link.answer = {
      chunks: [4, 5].map((seq) => ({ seq, stream: "stdout", chunk: Buffer.from("x") })),
      nextSeq: 6,
      exited: false,
      exitCode: null,
      closed: false,
      failure: null,
      lostBytes: 2,
    };
    const next = [reader.next(), reader.next(), reader.next()];
    expect((await within(WAIT_MS, "the rest", Promise.all(next))).map(({ value }) => value)).toMatchObject([
      { kind: "gap", firstSeq: 2, lastSeq: 3, lostBytes: 2 },
      { kind: "output", seq: 4 },
      { kind: "output", seq: 5 },
    ]);
    expect(link.calls).toEqual(["read 1"]);
    process.accept(output(6));
    expect((await reader.next()).value).toMatchObject({ seq: 6 });
  });

  test("does not hide the end: it is asked for what is left", async () => {
    const { link, process } = make();
    const reader = process[Symbol.asyncIterator]();
    link.isFull = true;
    link.isLow = false;
    process.accept(output(1));
    link.answer = {
      chunks: [],
      nextSeq: 4,
      exited: true,
      exitCode: 5,
      closed: true,
      failure: null,
    };
    process.accept(exited(2, 5));
    process.accept(closed(3));
    const events = [];
    for (let next = await reader.next(); !next.done; next = await reader.next()) events.push(next.value.kind);
    expect(events).toEqual(["gap", "exited", "closed"]);
  });

  test("is counted from its coming to its taking, and every way of reading is told", async () => {
    for (const [read, taken] of [
      [(process: Process) => void process.wait(), 3],
      [(process: Process) => void process.stdout, 0],
      [(process: Process) => void process[Symbol.asyncIterator]().next(), 0],
    ] as const) {
      const { link, process } = make();
      process.accept(output(1, "abc"));
      expect([link.receivedBytes, link.consumedBytes, link.readers]).toEqual([3, 0, 0]);
      read(process);
      expect([link.consumedBytes, link.readers]).toEqual([taken, 1]);
    }
  });
});

describe("disposing", () => {
  const endsSoon = (process: Process): void => {
    setTimeout(() => {
      process.accept(exited(2, 137));
      process.accept(closed(3));
    }, 5);
  };

  test("kills a process that runs, drops its output and waits for its end", async () => {
    const { link, process } = make();
    process.accept(output(1, "abc"));
    link.onTerminate = () => endsSoon(process);
    await within(WAIT_MS, "end", process[Symbol.asyncDispose]());
    expect(link.calls).toEqual(["terminate"]);
    expect(link.consumedBytes).toBe(3);
  });

  test.each(["waits for the next event", "has one in hand"])("ends a loop that %s", async (state) => {
    const { link, process } = make();
    const goOn = Promise.withResolvers<void>();
    const kinds: string[] = [];
    const loop = (async () => {
      for await (const { kind } of process) {
        kinds.push(kind);
        await goOn.promise;
      }
    })();
    process.accept(output(1));
    if (state.startsWith("waits")) goOn.resolve();
    await until(WAIT_MS, "the first event", () => kinds.length === 1);
    link.onTerminate = () => endsSoon(process);
    await within(WAIT_MS, "disposal", process[Symbol.asyncDispose]());
    goOn.resolve();
    await within(WAIT_MS, "end of the loop", loop);
    expect(kinds).toEqual(["output"]);
    expect(link.consumedBytes).toBe(1);
  });

  test("leaves an ended one alone, and does not fail when the call does", async () => {
    const ended = make();
    ended.process.accept(exited(1));
    ended.process.accept(closed(2));
    await ended.process[Symbol.asyncDispose]();
    expect(ended.link.calls).toEqual([]);
    const lost = make();
    lost.link.terminate = () => {
      lost.process.fail("cut");
      return Promise.reject(new Error("cut"));
    };
    await within(WAIT_MS, "end", lost.process[Symbol.asyncDispose]());
  });
});

test("what is asked of the process goes to the link", async () => {
  const { link, process } = make();
  expect(await process.write(new Uint8Array(3))).toBe("accepted");
  expect(await process.closeStdin()).toBe("accepted");
  await process.signal("hangup");
  await process.resize({ columns: 1, rows: 2 });
  expect(await process.terminate()).toBe(true);
  expect(link.calls).toEqual(["write 3", "closeStdin", "signal hangup", "resize 1x2", "terminate"]);
});

test("a limit that ended it is the kind of its end", async () => {
  const { process } = make();
  process.accept({
    kind: "exited",
    seq: 1,
    exitCode: 143,
    sandboxDenied: false,
    signal: "SIGTERM",
    endedBy: "idleTime",
  });
  process.accept({ kind: "closed", seq: 2 });
  expect(await process.wait()).toEqual({
    kind: "limit",
    limit: "idleTime",
    exitCode: 143,
    signal: "SIGTERM",
  });
});

test("output above its limit is a gap before the end", async () => {
  const { process } = make();
  process.accept({ kind: "exited", seq: 1, exitCode: 0, sandboxDenied: false });
  process.accept({ kind: "closed", seq: 2, endedBy: "outputBytes" });
  const events = await Array.fromAsync(process);
  expect(events.slice(1)).toEqual([
    { kind: "gap", firstSeq: 2, lastSeq: 2, overLimit: true },
    { kind: "closed", seq: 2, endedBy: "outputBytes" },
  ]);
});
