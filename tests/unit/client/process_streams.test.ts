import { afterAll, beforeAll, describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { TextLineStream } from "@std/streams";
import type { StartOptions } from "../../../lib/client/client.ts";
import { connectWebsocket } from "../../../lib/client/connect.ts";
import { Process, type ProcessLink, type ProcessOptions } from "../../../lib/client/process.ts";
import type { NumberedEvent } from "../../../lib/client/sequencer.ts";
import { localEnvironment } from "../../../lib/environments/environment.ts";
import type { ReadResult, WriteStatus } from "../../../lib/protocol/process.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { type Listener, listen } from "../../../lib/server/listen.ts";
import { until, within } from "../../support/deadline.ts";
import { childrenOf } from "../../support/proc.ts";

const WAIT_MS = 10_000;
setDefaultTimeout(3 * WAIT_MS);
const runtime = await currentRuntime();

/** A link that answers writes when it is told to. */
class FakeLink implements ProcessLink {
  readonly isObserved = false;
  async leave(): Promise<void> {}
  readonly acknowledged: number[] = [];
  readonly writes: { bytes: number; answer: PromiseWithResolvers<WriteStatus> }[] = [];
  closes = 0;
  terminations = 0;
  terminateAnswer: Promise<boolean> = Promise.resolve(true);
  closeAnswer: WriteStatus = "accepted";
  gap: ReadResult | undefined;
  fills = 0;
  readonly isFull = false;
  readonly isLow = true;

  write(bytes: Uint8Array) {
    const answer = Promise.withResolvers<WriteStatus>();
    this.writes.push({ bytes: bytes.length, answer });
    return answer.promise;
  }
  async closeStdin() {
    this.closes++;
    return this.closeAnswer;
  }
  async signal() {}
  terminate() {
    this.terminations++;
    return this.terminateAnswer;
  }
  async resize() {}
  received() {}
  reads() {}
  consumed(_bytes: number, seq: number) {
    this.acknowledged.push(seq);
  }
  async readAfter() {
    this.fills++;
    return this.gap;
  }
}

function fake(options: ProcessOptions = {}): { process: Process; link: FakeLink } {
  const link = new FakeLink();
  return { process: new Process("p", link, options), link };
}

const output = (
  seq: number,
  text: string,
  stream: "stdout" | "stderr" | "pty" = "stdout",
): NumberedEvent => ({
  kind: "output",
  seq,
  stream,
  bytes: new TextEncoder().encode(text),
});
const exited = (seq: number, exitCode = 0): NumberedEvent => ({
  kind: "exited",
  seq,
  exitCode,
  sandboxDenied: false,
});
const closed = (seq: number): NumberedEvent => ({ kind: "closed", seq });

function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return within(WAIT_MS, "end of the stream", new Response(stream).text());
}

async function sizeOf(stream: ReadableStream<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const bytes of stream) size += bytes.length;
  return size;
}

/** What came, and the code of the error behind it. */
async function readAll(stream: ReadableStream<Uint8Array>): Promise<[text: string, code: string]> {
  let text = "";
  try {
    for await (const bytes of stream) text += new TextDecoder().decode(bytes);
    return [text, "closed"];
  } catch (error) {
    return [text, (error as { code: string }).code];
  }
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return "no error";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const rejectionOf = (promise: Promise<unknown>): Promise<string> =>
  within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => "no error",
      (error) => error.code,
    ),
  );

describe("the output streams", () => {
  test("part stdout and stderr, of before and of after they were taken, and acknowledge what was read", async () => {
    const { process, link } = fake();
    process.accept(output(1, "a"));
    const { stdout, stderr } = process;
    process.accept(output(2, "b", "stderr"));
    const read = Promise.all([textOf(stdout), textOf(stderr)]);
    process.accept(output(3, "c"));
    process.accept(exited(4));
    process.accept(output(5, "d"));
    process.accept(closed(6));
    expect(await read).toEqual(["acd", "b"]);
    expect(link.acknowledged).toEqual([1, 2, 3, 5]);
    expect(await process.wait()).toEqual({ kind: "exited", exitCode: 0, sandboxDenied: false });
  });

  test("hold nothing: a piece is acknowledged when it was read, in order over both streams", async () => {
    const { process, link } = fake();
    const stdout = process.stdout.getReader();
    const stderr = process.stderr.getReader();
    process.accept(output(1, "a"));
    process.accept(output(2, "b", "stderr"));
    process.accept(output(3, "c", "stderr"));
    expect(new TextDecoder().decode((await stderr.read()).value)).toBe("b");
    // One number acknowledges all before it: 2 would acknowledge the unread 1.
    expect(link.acknowledged).toEqual([]);
    await stdout.read();
    expect(link.acknowledged).toEqual([1, 2]);
    await stderr.read();
    expect(link.acknowledged).toEqual([1, 2, 3]);
  });

  test("serve reads that were there before the output", async () => {
    const { process } = fake();
    const reader = process.output.getReader();
    const reads = [reader.read(), reader.read(), reader.read(), reader.read()];
    await Promise.resolve();
    for (const seq of [1, 2, 3]) process.accept(output(seq, String(seq), seq === 2 ? "stderr" : "stdout"));
    process.accept(closed(4));
    const texts = (await within(WAIT_MS, "reads", Promise.all(reads))).map(({ value, done }) =>
      done ? "end" : new TextDecoder().decode(value),
    );
    expect(texts).toEqual(["1", "2", "3", "end"]);
    await within(WAIT_MS, "closed", reader.closed);
  });

  test("drop the stream that was not taken", async () => {
    const { process, link } = fake();
    const stderr = textOf(process.stderr);
    await Promise.resolve();
    process.accept(output(1, "a"));
    expect(link.acknowledged).toEqual([1]);
    process.accept(output(2, "b", "stderr"));
    process.accept(closed(3));
    expect(await stderr).toBe("b");
    expect(codeOf(() => process.stdout)).toBe("ERR_CLOSED");
  });

  test("of a terminal are stdout, and a stderr that is empty at once", async () => {
    const { process } = fake({ terminal: { columns: 80, rows: 24 } });
    const { stdout, stderr } = process;
    expect(await textOf(stderr)).toBe("");
    process.accept(output(1, "a", "pty"));
    process.accept(closed(2));
    expect(await textOf(stdout)).toBe("a");
  });

  test("go on when one is cancelled, and drop its output", async () => {
    const { process, link } = fake();
    const { stdout, stderr } = process;
    process.accept(output(1, "a"));
    await stdout.cancel();
    process.accept(output(2, "b"));
    process.accept(output(3, "c", "stderr"));
    expect(link.acknowledged).toEqual([1, 2]);
    process.accept(closed(4));
    expect(await textOf(stderr)).toBe("c");
    expect(link.terminations).toBe(0);
  });

  test("fail with ERR_DISCONNECTED behind what came before the connection was lost", async () => {
    const { process } = fake();
    const { stdout, stderr } = process;
    process.accept(output(1, "a"));
    process.fail("the cable was cut");
    expect(await within(WAIT_MS, "end", Promise.all([readAll(stdout), readAll(stderr)]))).toEqual([
      ["a", "ERR_DISCONNECTED"],
      ["", "ERR_DISCONNECTED"],
    ]);
    expect(await process.wait()).toEqual({ kind: "lost", message: "the cable was cut" });
  });

  test("fail with ERR_OUTPUT_GAP where output is missing, and hold the process back no more", async () => {
    const { process, link } = fake();
    link.gap = {
      chunks: [{ seq: 3, stream: "stdout", chunk: new TextEncoder().encode("c") }],
      nextSeq: 4,
      exited: false,
      exitCode: null,
      closed: false,
      failure: null,
      lostBytes: 7,
    };
    const stream = process.output;
    process.accept(output(1, "a"));
    process.accept(output(3, "c"));
    const reader = stream.getReader();
    await reader.read();
    const error = await within(
      WAIT_MS,
      "error",
      reader.read().then(
        () => undefined,
        (error) => error,
      ),
    );
    expect([error.code, error.message]).toEqual([
      "ERR_OUTPUT_GAP",
      'Cannot read on from process "p": 7 bytes of output can not be had any more',
    ]);
    expect(link.acknowledged).toEqual([1, 3]);
    process.accept(exited(4, 5));
    expect(await process.wait()).toMatchObject({ kind: "exited", exitCode: 5 });
  });

  test("do not go on behind a gap, also when nothing was read before it", async () => {
    const { process, link } = fake();
    link.gap = {
      chunks: [{ seq: 3, stream: "stdout", chunk: new TextEncoder().encode("c") }],
      nextSeq: 4,
      exited: false,
      exitCode: null,
      closed: false,
      failure: null,
    };
    const { stdout, stderr } = process;
    process.accept(output(1, "a"));
    process.accept(output(3, "c"));
    await until(WAIT_MS, "filling", () => link.fills === 1);
    process.accept(output(4, "d"));
    process.accept(closed(5));
    expect(await within(WAIT_MS, "end", readAll(stdout))).toEqual(["a", "ERR_OUTPUT_GAP"]);
    // Whose output is missing is not known.
    expect(await within(WAIT_MS, "end", readAll(stderr))).toEqual(["", "ERR_OUTPUT_GAP"]);
    expect(link.acknowledged).toEqual([1, 3, 4]);
  });

  test("are one way of reading, which is chosen once", async () => {
    const streams = fake().process;
    expect(streams.stdout).toBe(streams.stdout);
    expect(codeOf(() => streams.output)).toBe("ERR_CLOSED");
    expect(await rejectionOf(streams[Symbol.asyncIterator]().next())).toBe("ERR_CLOSED");
    await Promise.resolve();
    expect(codeOf(() => streams.stderr)).toBe("ERR_CLOSED");

    const merged = fake().process;
    expect(merged.output).toBe(merged.output);
    expect(codeOf(() => merged.stdout)).toBe("ERR_CLOSED");

    const waited = fake().process;
    waited.wait();
    expect(codeOf(() => waited.stdout)).toBe("ERR_CLOSED");
    expect(await rejectionOf(waited[Symbol.asyncIterator]().next())).toBe("ERR_CLOSED");

    const iterated = fake().process;
    iterated[Symbol.asyncIterator]().next();
    expect(codeOf(() => iterated.output)).toBe("ERR_CLOSED");
  });

  test("fail with ERR_CLOSED when the handle is disposed of", async () => {
    const { process, link } = fake();
    const stream = process.output;
    process.accept(output(1, "a"));
    const disposed = process[Symbol.asyncDispose]();
    process.accept(exited(2, 137));
    process.accept(closed(3));
    await within(WAIT_MS, "disposal", disposed);
    expect(await readAll(stream)).toEqual(["", "ERR_CLOSED"]);
    expect([link.acknowledged, link.terminations]).toEqual([[1], 1]);
  });
});

describe("the input stream", () => {
  test("cuts chunks to 64 KiB, lets 16 wait, and settles when all are answered", async () => {
    const { process, link } = fake();
    const writer = process.stdin.getWriter();
    let settled = false;
    const written = writer.write(new Uint8Array(20 * 65_536 + 1)).then(() => {
      settled = true;
    });
    for (let answered = 0; answered < 21; answered++) {
      await until(WAIT_MS, "write", () => link.writes.length === Math.min(21, 16 + answered));
      expect(settled).toBe(false);
      link.writes[answered]!.answer.resolve("accepted");
    }
    await within(WAIT_MS, "end of the write", written);
    expect(link.writes.map(({ bytes }) => bytes)).toEqual([...Array(20).fill(65_536), 1]);
    expect(process.stdin).toBe(process.stdin);
  });

  test("tells a writer to wait while a write is not answered", async () => {
    const { process, link } = fake();
    const writer = process.stdin.getWriter();
    writer.write(new Uint8Array(65_536));
    expect(writer.desiredSize).toBe(0);
    await until(WAIT_MS, "write", () => link.writes.length === 1);
    link.writes[0]!.answer.resolve("accepted");
    await within(WAIT_MS, "readiness", writer.ready);
    expect(writer.desiredSize).toBe(65_536);
  });

  for (const status of ["stdinClosed", "unknownProcess", "starting"] as const) {
    test(`fails with ERR_STDIN_CLOSED on the answer ${status}`, async () => {
      const { process, link } = fake();
      const writer = process.stdin.getWriter();
      const written = writer.write(new Uint8Array(1));
      await until(WAIT_MS, "write", () => link.writes.length === 1);
      link.writes[0]!.answer.resolve(status);
      expect(await rejectionOf(written)).toBe("ERR_STDIN_CLOSED");
      expect(await rejectionOf(writer.closed)).toBe("ERR_STDIN_CLOSED");
      expect(link.terminations).toBe(0);
    });
  }

  test("closes the input, also of a program that has ended", async () => {
    for (const status of ["accepted", "stdinClosed"] as const) {
      const { process, link } = fake();
      link.closeAnswer = status;
      await within(WAIT_MS, "close", process.stdin.close());
      expect(link.closes).toBe(1);
    }
  });

  test("kills the process when it is aborted, at once and not behind a write that waits", async () => {
    const { process, link } = fake();
    const writer = process.stdin.getWriter();
    writer.write(new Uint8Array(1)).catch(() => {});
    writer.closed.catch(() => {});
    await until(WAIT_MS, "write", () => link.writes.length === 1);
    const aborted = writer.abort(new Error("enough"));
    expect(link.terminations).toBe(1);
    link.writes[0]!.answer.resolve("accepted");
    await within(WAIT_MS, "abort", aborted);
    expect([link.terminations, link.closes]).toEqual([1, 0]);
  });
});

describe("the ending", () => {
  test("is timeout when the kill was seen to work", async () => {
    const { process, link } = fake({ timeoutMs: 1 });
    process.started();
    const end = process.wait();
    await until(WAIT_MS, "kill", () => link.terminations === 1);
    process.accept(exited(1, 137));
    expect(await end).toEqual({ kind: "timeout", timeoutMs: 1, killConfirmed: true, exitCode: 137 });
  });

  test("is exited when the program was faster than the kill", async () => {
    for (const newsFirst of [true, false]) {
      const { process, link } = fake({ timeoutMs: 1 });
      const answer = Promise.withResolvers<boolean>();
      link.terminateAnswer = answer.promise;
      process.started();
      await until(WAIT_MS, "kill", () => link.terminations === 1);
      if (newsFirst) process.accept(exited(1, 3));
      answer.resolve(false);
      await answer.promise;
      if (!newsFirst) process.accept(exited(1, 3));
      const end = await within(WAIT_MS, "end", process.wait());
      expect(end).toEqual({ kind: "exited", exitCode: 3, sandboxDenied: false });
    }
  });

  test("is timeout without a confirmed kill when the connection is lost", async () => {
    const { process, link } = fake({ timeoutMs: 1 });
    process.started();
    await until(WAIT_MS, "kill", () => link.terminations === 1);
    process.fail("the cable was cut");
    expect(await process.wait()).toEqual({ kind: "timeout", timeoutMs: 1, killConfirmed: false });
  });

  test("is timeout without a confirmed kill when nothing comes for 5 s", async () => {
    jest.useFakeTimers();
    try {
      const { process, link } = fake({ timeoutMs: 1000 });
      link.terminateAnswer = Promise.withResolvers<boolean>().promise;
      process.started();
      const end = process.wait();
      jest.advanceTimersByTime(999);
      expect(link.terminations).toBe(0);
      jest.advanceTimersByTime(1);
      expect(link.terminations).toBe(1);
      jest.advanceTimersByTime(5000);
      expect(await end).toEqual({ kind: "timeout", timeoutMs: 1000, killConfirmed: false });
    } finally {
      jest.useRealTimers();
    }
  });

  test("leaves no timer and no listener behind", async () => {
    const { signal } = new AbortController();
    const heard = new Set<unknown>();
    const add = signal.addEventListener.bind(signal);
    signal.addEventListener = ((type: "abort", listener: () => void) => {
      heard.add(listener);
      add(type, listener);
    }) as typeof signal.addEventListener;
    const remove = signal.removeEventListener.bind(signal);
    signal.removeEventListener = ((type: "abort", listener: () => void) => {
      heard.delete(listener);
      remove(type, listener);
    }) as typeof signal.removeEventListener;
    jest.useFakeTimers();
    try {
      const { process } = fake({ timeoutMs: 1000, signal });
      process.started();
      expect([heard.size, jest.getTimerCount()]).toEqual([1, 1]);
      process.accept(exited(1));
      expect([heard.size, jest.getTimerCount()]).toEqual([0, 0]);
    } finally {
      jest.useRealTimers();
    }
  });
});

for (const place of ["local", "remote"] as const) {
  describe(`a real process, ${place}`, () => {
    let listener: Listener | undefined;
    let host: { start(options: StartOptions): Promise<Process>; close(): Promise<void> };
    const sh = (script: string, options: Partial<StartOptions> = {}): Promise<Process> =>
      host.start({ argv: ["/bin/sh", "-c", script], ...options });

    beforeAll(async () => {
      if (place === "remote") {
        listener = await listen(runtime);
        host = await connectWebsocket(runtime, { url: listener.url, outputWindowBytes: 256 * 1024 });
      } else host = localEnvironment(runtime);
    });
    afterAll(async () => {
      await host.close();
      await listener?.close();
      await until(WAIT_MS, "end of the children", () => childrenOf(process.pid).length === 0);
    });

    test("gives its two streams and its status", async () => {
      const child = await sh("echo out; echo err >&2; exit 3");
      const texts = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
      expect(texts).toEqual(["out\n", "err\n"]);
      expect(await child.wait()).toMatchObject({ kind: "exited", exitCode: 3 });
    });

    test("gives lines", async () => {
      const child = await sh("seq 1 20000");
      const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
      let expected = 0;
      for await (const line of lines) expect(line).toBe(String(++expected));
      expect(expected).toBe(20_000);
    });

    test("gives all output of a terminal on stdout", async () => {
      const child = await sh("echo out; echo err >&2", { terminal: { columns: 80, rows: 24 } });
      const { stdout, stderr } = child;
      expect([await textOf(stdout), await textOf(stderr)]).toEqual(["out\r\nerr\r\n", ""]);
    });

    test("is not held up by a stderr that nobody took", async () => {
      const child = await sh("head -c 16777216 /dev/zero >&2; echo done");
      expect(await textOf(child.stdout)).toBe("done\n");
    });

    test("is held back by a slow reader, who gets every byte", async () => {
      const child = await sh("head -c 33554432 /dev/zero; echo end >&2");
      const { stdout, stderr } = child;
      const reader = stdout.getReader();
      const first = (await within(WAIT_MS, "first bytes", reader.read())).value!.length;
      const errors = textOf(stderr);
      // What the windows and pipes hold is far below 32 MiB.
      expect(await Promise.race([errors, Bun.sleep(300).then(() => "held back")])).toBe("held back");
      reader.releaseLock();
      expect(first + (await within(WAIT_MS, "rest", sizeOf(stdout)))).toBe(33_554_432);
      expect(await errors).toBe("end\n");
    });

    test("reads what is piped into it up to the end", async () => {
      const child = await sh("cat", { stdin: "pipe" });
      const size = 5 * 1024 * 1024 + 7;
      const source = new Uint8Array(size).map((_, i) => i % 251);
      const piped = new Blob([source]).stream().pipeTo(child.stdin);
      const back = within(WAIT_MS, "echo", new Response(child.stdout).bytes());
      await within(WAIT_MS, "end of the input", piped);
      expect(Bun.hash(await back)).toBe(Bun.hash(source));
    });

    test("holds a writer back when it does not read, and dies of an aborted input", async () => {
      const child = await sh("exec sleep 300", { stdin: "pipe" });
      const writer = child.stdin.getWriter();
      writer.closed.catch(() => {});
      const written = writer.write(new Uint8Array(4 * 1024 * 1024)).then(
        () => "written",
        () => "failed",
      );
      expect(await Promise.race([written, Bun.sleep(200).then(() => "held back")])).toBe("held back");
      await within(WAIT_MS, "abort", writer.abort());
      expect(await within(WAIT_MS, "end", child.wait())).toMatchObject({ kind: "exited", exitCode: 137 });
    });

    test("without an input refuses what is written", async () => {
      const child = await sh("exec sleep 300");
      const writer = child.stdin.getWriter();
      writer.closed.catch(() => {});
      expect(await rejectionOf(writer.write(new Uint8Array(1)))).toBe("ERR_STDIN_CLOSED");
      await within(WAIT_MS, "disposal", child[Symbol.asyncDispose]());
    });

    test("is killed when its time is up", async () => {
      const child = await sh("echo begun; exec sleep 300", { timeoutMs: 100 });
      expect(await textOf(child.stdout)).toBe("begun\n");
      expect(await within(WAIT_MS, "end", child.wait())).toEqual({
        kind: "timeout",
        timeoutMs: 100,
        killConfirmed: true,
        exitCode: 137,
      });
    });

    test("is killed by the signal of its start", async () => {
      const abort = new AbortController();
      const child = await sh("echo begun; exec sleep 300", { signal: abort.signal });
      const reader = child.stdout.getReader();
      await within(WAIT_MS, "first output", reader.read());
      abort.abort();
      expect(await within(WAIT_MS, "end", child.wait())).toMatchObject({ kind: "exited", exitCode: 137 });
      expect((await within(WAIT_MS, "end of the output", reader.read())).done).toBe(true);
    });
  });
}
