import { afterAll, afterEach, beforeAll, describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StartOptions } from "../../../lib/client/client.ts";
import { connectWebsocket } from "../../../lib/client/connect.ts";
import type { ProcessEvent } from "../../../lib/client/sequencer.ts";
import { localEnvironment } from "../../../lib/environments/environment.ts";
import type { ExecProcess } from "../../../lib/exec/exec_session.ts";
import {
  type ExecCommandOptions,
  type ExecResult,
  type ExecTarget,
  UnifiedExec,
} from "../../../lib/exec/unified_exec.ts";
import { ExecServerError, RpcError } from "../../../lib/protocol/errors.ts";
import type { WriteStatus } from "../../../lib/protocol/process.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { type Listener, listen } from "../../../lib/server/listen.ts";
import { until, within } from "../../support/deadline.ts";
import { childrenOf } from "../../support/proc.ts";

const WAIT_MS = 10_000;
setDefaultTimeout(3 * WAIT_MS);
const runtime = await currentRuntime();

/** A process that does what the test says. */
class FakeProcess implements ExecProcess {
  readonly written: string[] = [];
  readonly signals: string[] = [];
  terminations = 0;
  onWrite: () => Promise<WriteStatus> = async () => "accepted";
  onTerminate: () => Promise<boolean> = async () => {
    this.exit(137);
    return true;
  };
  #events: ProcessEvent[] = [];
  #wake = Promise.withResolvers<void>();

  write(bytes: Uint8Array): Promise<WriteStatus> {
    this.written.push(new TextDecoder().decode(bytes));
    return this.onWrite();
  }
  async signal(signal: string): Promise<void> {
    this.signals.push(signal);
  }
  terminate(): Promise<boolean> {
    this.terminations++;
    return this.onTerminate();
  }
  tell(...events: ProcessEvent[]): void {
    this.#events.push(...events);
    this.#wake.resolve();
  }
  say(text: string | Uint8Array): void {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.tell({ kind: "output", seq: 0, stream: "stdout", bytes });
  }
  exit(exitCode: number): void {
    this.tell({ kind: "exited", seq: 0, exitCode, sandboxDenied: false }, { kind: "closed", seq: 0 });
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessEvent, void> {
    for (;;) {
      const event = this.#events.shift();
      if (event) {
        yield event;
        if (event.kind === "closed" || event.kind === "failed") return;
        continue;
      }
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }
}

class FakeTarget implements ExecTarget {
  readonly processes: FakeProcess[] = [];
  readonly started: StartOptions[] = [];
  prepare: (process: FakeProcess) => void = () => {};

  async start(options: StartOptions): Promise<FakeProcess> {
    this.started.push(options);
    const process = new FakeProcess();
    this.prepare(process);
    this.processes.push(process);
    return process;
  }
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => "no error",
      (error) => error.code ?? error.name,
    ),
  );

/** Polls until the command has ended; the whole output. */
async function follow(exec: UnifiedExec, first: ExecResult): Promise<{ output: string; last: ExecResult }> {
  let { output } = first;
  let last = first;
  while (last.sessionId !== undefined) {
    last = await exec.writeStdin({ sessionId: last.sessionId, yieldTimeMs: WAIT_MS });
    output += last.output;
  }
  return { output, last };
}

for (const place of ["local", "remote"] as const) {
  describe(`on a real environment, ${place}`, () => {
    let folder: string;
    let listener: Listener | undefined;
    let host: ExecTarget & { close(): Promise<void> };
    let exec: UnifiedExec;
    const run = (
      command: string | string[],
      options: Partial<ExecCommandOptions> = {},
    ): Promise<ExecResult> =>
      within(WAIT_MS, "result", exec.execCommand({ command, login: false, ...options }));

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "exec-server-"));
      if (place === "remote") {
        listener = await listen(runtime);
        host = await connectWebsocket(runtime, { url: listener.url });
      } else host = localEnvironment(runtime);
      exec = new UnifiedExec(host);
    });
    afterEach(() => expect(exec.list()).toEqual([]));
    afterAll(async () => {
      await exec.close();
      await host.close();
      await listener?.close();
      rmSync(folder, { recursive: true });
      await until(WAIT_MS, "end of the children", () => childrenOf(process.pid).length === 0);
    });

    test("a command that ends gives its output and its code", async () => {
      const { wallTimeMs, output, ...result } = await run("echo out; echo err >&2; exit 3");
      // Two pipes: which of them is read first is not said.
      expect(output.split("\n").sort()).toEqual(["", "err", "out"]);
      expect(result).toEqual({ omittedBytes: 0, exitCode: 3 });
      expect(wallTimeMs).toBeLessThan(WAIT_MS);
    });

    test("a command line runs in the login shell of the environment, in a folder, with variables", async () => {
      const shell = (await host.info!()).shell;
      const result = await run('echo "$0|$PWD|$GREETING"', { cwd: folder, env: { GREETING: "hi" } });
      expect(result.output).toBe(`${shell.path}|${folder}|hi\n`);
      const command = "shopt -q login_shell && echo login || echo plain";
      expect((await run(command, { shell: "/bin/bash", login: true })).output).toEndWith("login\n");
      expect((await run(command, { shell: "/bin/bash", login: false })).output).toBe("plain\n");
    });

    test("a list of arguments runs without a shell", async () => {
      expect((await run(["printf", "%s", "$HOME"])).output).toBe("$HOME");
    });

    test("a command that goes on has a session, and each output is told of once", async () => {
      const fifo = join(folder, "fifo");
      const first = await run(`mkfifo ${fifo}; echo one; read line < ${fifo}; echo two $line; exit 4`, {
        yieldTimeMs: 300,
      });
      expect([first.output, first.exitCode, typeof first.sessionId]).toEqual(["one\n", undefined, "number"]);
      expect(exec.list()).toMatchObject([
        { sessionId: first.sessionId, tty: false, state: { hasExited: false }, unreadBytes: 0 },
      ]);
      await Bun.write(fifo, "three\n");
      const { output, last } = await follow(exec, { ...first, output: "" });
      expect([output, last.exitCode]).toEqual(["two three\n", 4]);
      expect(await codeOf(exec.writeStdin({ sessionId: first.sessionId! }))).toBe("ERR_UNKNOWN_SESSION");
    });

    test("a terminal takes what is written", async () => {
      const first = await run('read line; echo "got $line"; stty size', { tty: true, yieldTimeMs: 100 });
      const sessionId = first.sessionId!;
      const second = await exec.writeStdin({ sessionId, chars: "hello\n", yieldTimeMs: WAIT_MS });
      expect(second).toMatchObject({ exitCode: 0, output: "hello\r\ngot hello\r\n24 80\r\n" });
    });

    test("ctrl-c reaches a terminal as a key and a program without one as a signal", async () => {
      for (const tty of [true, false]) {
        const command = 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.05; done';
        let result = await run(command, { tty, yieldTimeMs: 50 });
        const sessionId = result.sessionId!;
        let { output } = result;
        while (!output.includes("ready")) {
          result = await exec.writeStdin({ sessionId, yieldTimeMs: 20 });
          output += result.output;
        }
        result = await exec.writeStdin({ sessionId, chars: "\u0003", yieldTimeMs: WAIT_MS });
        expect([result.exitCode, result.output]).toEqual([9, expect.stringContaining("caught")]);
      }
    });

    test("a program without a terminal has an empty input", async () => {
      expect(await run("cat")).toMatchObject({ output: "", exitCode: 0 });
      const { sessionId } = await run("exec sleep 300", { yieldTimeMs: 0 });
      expect(await codeOf(exec.writeStdin({ sessionId: sessionId!, chars: "x" }))).toBe("ERR_STDIN_CLOSED");
      await exec.terminate(sessionId!);
    });

    test("output is cut to the budget with its exact size", async () => {
      const size = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("").length;
      const result = await run("seq 1 200000", { maxOutputBytes: 1000 });
      expect(result.omittedBytes).toBe(size - 1000);
      expect(result.output).toStartWith("1\n2\n3\n");
      expect(result.output).toContain(`[... ${size - 1000} bytes omitted ...]\n`);
      expect(result.output).toEndWith("\n199999\n200000\n");
    });

    test("32 MiB of output that nobody asks for hold nothing back", async () => {
      const first = await run("head -c 33554432 /dev/zero", { yieldTimeMs: 0 });
      await until(WAIT_MS, "end", () => exec.list()[0]?.state.hasExited !== false);
      const last =
        first.sessionId === undefined
          ? first
          : await exec.writeStdin({ sessionId: first.sessionId, yieldTimeMs: WAIT_MS });
      expect(last.exitCode).toBe(0);
      expect(first.omittedBytes + last.omittedBytes).toBeGreaterThan(29 * 1024 * 1024);
    });

    test("a job in the background that holds the output does not hold the result", async () => {
      const fifo = join(folder, "late");
      const first = await run(`mkfifo ${fifo}; (read line < ${fifo}; echo late) & echo early`);
      expect([first.output, first.exitCode, typeof first.sessionId]).toEqual(["early\n", 0, "number"]);
      expect(exec.list()).toMatchObject([{ state: { hasExited: true, exitCode: 0 } }]);
      await Bun.write(fifo, "\n");
      expect(await exec.writeStdin({ sessionId: first.sessionId!, yieldTimeMs: WAIT_MS })).toMatchObject({
        output: "late\n",
        exitCode: 0,
      });
    });

    test("terminate() gives the last output and the code", async () => {
      const { sessionId } = await run("exec sleep 300", { yieldTimeMs: 0 });
      const result = await within(WAIT_MS, "end", exec.terminate(sessionId!));
      expect([result.exitCode, result.sessionId]).toEqual([137, undefined]);
      expect(await codeOf(exec.terminate(sessionId!))).toBe("ERR_UNKNOWN_SESSION");
    });

    test("a program that is not there is the error of the server", async () => {
      const error = await run(["/no/such/program"]).catch((error) => error);
      expect(error).toBeInstanceOf(RpcError);
      expect(error.message).toContain("No such file or directory");
    });

    test("close() ends what runs, and gives the calls that wait their results", async () => {
      const mine = new UnifiedExec(host);
      const { sessionId } = await mine.execCommand({ command: ["sleep", "300"], yieldTimeMs: 0 });
      expect(sessionId).toBeDefined();
      const waiting = mine.execCommand({
        command: "echo begun; exec sleep 300",
        yieldTimeMs: 60_000,
        login: false,
      });
      await until(WAIT_MS, "output", () => mine.list().at(-1)!.unreadBytes > 0);
      await within(WAIT_MS, "close", mine.close());
      expect(await within(WAIT_MS, "result", waiting)).toMatchObject({ output: "begun\n", exitCode: 137 });
      expect(mine.list()).toEqual([]);
      expect(await codeOf(mine.execCommand({ command: "true" }))).toBe("ERR_CLOSED");
    });
  });
}

describe("a lost connection", () => {
  test("of a real server gives the output so far and says why", async () => {
    const listener = await listen(runtime);
    const client = await connectWebsocket(runtime, { url: listener.url });
    const exec = new UnifiedExec(client);
    const waiting = exec.execCommand({
      command: ["sh", "-c", "echo begun; exec sleep 300"],
      yieldTimeMs: 60_000,
    });
    await until(WAIT_MS, "output", () => (exec.list()[0]?.unreadBytes ?? 0) > 0);
    await listener.close();
    const result = await within(WAIT_MS, "result", waiting);
    expect([result.output, result.exitCode, result.sessionId]).toEqual(["begun\n", undefined, undefined]);
    expect(result.failureMessage).toBeString();
    await exec.close();
    await client.close();
  });

  test("while nobody waits is told of at the next look, with the output", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const { sessionId } = await exec.execCommand({ command: ["x"], yieldTimeMs: 0 });
    target.processes[0]!.say("captured");
    target.processes[0]!.tell({ kind: "failed", message: "the cable was cut" });
    expect(await exec.writeStdin({ sessionId: sessionId! })).toMatchObject({
      output: "captured",
      failureMessage: "the cable was cut",
    });
    expect(exec.list()).toEqual([]);
  });

  test("keeps an exit code that came before", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    target.prepare = (process) => {
      process.tell({ kind: "exited", seq: 1, exitCode: 3, sandboxDenied: false });
      process.tell({ kind: "failed", message: "the cable was cut" });
    };
    expect(await exec.execCommand({ command: ["x"] })).toMatchObject({
      exitCode: 3,
      failureMessage: "the cable was cut",
    });
  });

  test("during a write is the result, though the write fails first", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const { sessionId } = await exec.execCommand({ command: ["x"], tty: true, yieldTimeMs: 0 });
    const child = target.processes[0]!;
    child.onWrite = async () => {
      child.say("captured");
      setTimeout(() => child.tell({ kind: "failed", message: "the cable was cut" }), 5);
      throw new ExecServerError("ERR_DISCONNECTED", "the cable was cut");
    };
    expect(await exec.writeStdin({ sessionId: sessionId!, chars: "y" })).toMatchObject({
      output: "captured",
      failureMessage: "the cable was cut",
    });
  });

  test("that comes back fails the write only, and loses no output", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const { sessionId } = await exec.execCommand({ command: ["x"], tty: true, yieldTimeMs: 0 });
    const child = target.processes[0]!;
    child.say("captured");
    child.onWrite = () => Promise.reject(new ExecServerError("ERR_DISCONNECTED", "the cable was cut"));
    expect(await codeOf(exec.writeStdin({ sessionId: sessionId!, chars: "y" }))).toBe("ERR_DISCONNECTED");
    expect(await exec.writeStdin({ sessionId: sessionId!, yieldTimeMs: 0 })).toMatchObject({
      output: "captured",
      sessionId,
    });
  });
});

describe("the sessions", () => {
  test("are 64 at most: then the oldest that has ended is forgotten, or the start refused", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const starts = Array.from({ length: 64 }, () => exec.execCommand({ command: ["x"], yieldTimeMs: 0 }));
    const ids = (await Promise.all(starts)).map(({ sessionId }) => sessionId!);
    expect(await codeOf(exec.execCommand({ command: ["x"], yieldTimeMs: 0 }))).toBe("ERR_TOO_MANY_SESSIONS");
    expect(target.started.length).toBe(64);
    for (const index of [7, 5]) target.processes[index]!.exit(0);
    await until(WAIT_MS, "ends", () => exec.list().filter(({ state }) => state.hasExited).length === 2);
    await exec.execCommand({ command: ["x"], yieldTimeMs: 0 });
    expect(exec.list().map(({ sessionId }) => sessionId)).not.toContain(ids[5]!);
    expect(exec.list().map(({ sessionId }) => sessionId)).toContain(ids[7]!);
    expect(exec.list().length).toBe(64);
  });

  test("of which something is left are forgotten last, and it ends with the others", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target, { maxSessions: 2 });
    const start = async (): Promise<number> =>
      (await exec.execCommand({ command: ["x"], yieldTimeMs: 0 })).sessionId!;
    const isThere = (id: number): boolean => exec.list().some(({ sessionId }) => sessionId === id);
    const [first, second] = [await start(), await start()];
    const [lingering, over] = target.processes as [FakeProcess, FakeProcess];
    lingering.tell({ kind: "exited", seq: 0, exitCode: 0, sandboxDenied: false });
    over.exit(0);
    await until(WAIT_MS, "ends", () => exec.list().every(({ state }) => state.hasExited));
    const third = await start();
    expect([first, second, third].map(isThere)).toEqual([true, false, true]);
    await start();
    expect(isThere(first)).toBe(false);
    const refused = await exec.writeStdin({ sessionId: first }).catch((error: Error) => error);
    expect((refused as Error).message).toContain("forgotten to make room");
    await exec.close();
    expect(target.processes.map(({ terminations }) => terminations)).toEqual([1, 0, 1, 1]);
  });

  test("count starts that are not answered", async () => {
    const exec = new UnifiedExec({ start: () => new Promise(() => {}) }, { maxSessions: 1 });
    const first = exec.execCommand({ command: ["x"] });
    expect(await codeOf(exec.execCommand({ command: ["x"] }))).toBe("ERR_TOO_MANY_SESSIONS");
    await exec.close();
    expect(await codeOf(first)).toBe("ERR_CLOSED");
  });

  test("free their place when the start fails", async () => {
    const failing: ExecTarget = { start: () => Promise.reject(new RpcError(-32603, "no")) };
    const exec = new UnifiedExec(failing, { maxSessions: 1 });
    for (let i = 0; i < 2; i++) expect(await codeOf(exec.execCommand({ command: ["x"] }))).toBe(-32603);
  });
});

describe("the waits", () => {
  test("for a start end, and a process that comes too late is killed", async () => {
    const process = new FakeProcess();
    const late = Promise.withResolvers<ExecProcess>();
    const exec = new UnifiedExec({ start: () => late.promise }, { callTimeoutMs: 20 });
    expect(await codeOf(exec.execCommand({ command: ["x"] }))).toBe("ERR_CALL_TIMEOUT");
    late.resolve(process);
    await until(WAIT_MS, "kill", () => process.terminations === 1);
    expect(exec.list()).toEqual([]);
  });

  test("for the answer to a write end, and the output is kept", async () => {
    const target = new FakeTarget();
    target.prepare = (process) => {
      process.onWrite = () => new Promise(() => {});
    };
    const exec = new UnifiedExec(target, { callTimeoutMs: 20 });
    const { sessionId } = await exec.execCommand({ command: ["x"], tty: true, yieldTimeMs: 0 });
    target.processes[0]!.say("kept");
    expect(await codeOf(exec.writeStdin({ sessionId: sessionId!, chars: "y" }))).toBe("ERR_CALL_TIMEOUT");
    expect((await exec.writeStdin({ sessionId: sessionId!, yieldTimeMs: 0 })).output).toBe("kept");
  });

  test("leave no timer behind", async () => {
    jest.useFakeTimers();
    try {
      const target = new FakeTarget();
      const exec = new UnifiedExec(target);
      const first = exec.execCommand({ command: ["x"], tty: true });
      for (let i = 0; i < 20; i++) await Promise.resolve();
      expect(jest.getTimerCount()).toBe(1);
      jest.advanceTimersByTime(9999);
      for (let i = 0; i < 20; i++) await Promise.resolve();
      expect(exec.list().length).toBe(1);
      expect(jest.getTimerCount()).toBe(1);
      jest.advanceTimersByTime(1);
      const { sessionId } = await first;
      const second = exec.writeStdin({ sessionId: sessionId!, chars: "y" });
      for (let i = 0; i < 40; i++) await Promise.resolve();
      jest.advanceTimersByTime(249);
      expect(jest.getTimerCount()).toBe(1);
      target.processes[0]!.exit(0);
      expect(await second).toMatchObject({ exitCode: 0 });
      expect(jest.getTimerCount()).toBe(0);
      expect(target.processes[0]!.written).toEqual(["y"]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("for trailing output end by its event, or when its time is up", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target, { trailingOutputMs: 50 });
    target.prepare = (process) => {
      process.tell({ kind: "exited", seq: 1, exitCode: 0, sandboxDenied: false });
      setTimeout(() => {
        process.say("trailing");
        process.tell({ kind: "closed", seq: 3 });
      }, 5);
    };
    const result = await exec.execCommand({ command: ["x"], yieldTimeMs: 60_000 });
    expect(result).toMatchObject({ output: "trailing", exitCode: 0 });
    expect(result.sessionId).toBeUndefined();

    target.prepare = (process) => process.tell({ kind: "exited", seq: 1, exitCode: 0, sandboxDenied: false });
    const held = await within(WAIT_MS, "result", exec.execCommand({ command: ["x"], yieldTimeMs: 60_000 }));
    expect([held.exitCode, typeof held.sessionId]).toEqual([0, "number"]);
    setTimeout(() => target.processes.at(-1)!.say("later"), 30);
    setTimeout(() => target.processes.at(-1)!.tell({ kind: "closed", seq: 3 }), 40);
    const later = await exec.writeStdin({ sessionId: held.sessionId!, yieldTimeMs: 60_000 });
    expect([later.output, later.exitCode, later.sessionId]).toEqual(["later", 0, undefined]);

    target.prepare = (process) => {
      process.onTerminate = async () => false;
      process.tell({ kind: "exited", seq: 1, exitCode: 0, sandboxDenied: false });
    };
    const again = await exec.execCommand({ command: ["x"], yieldTimeMs: 60_000 });
    expect(exec.list().length).toBe(1);
    const ended = await exec.terminate(again.sessionId!);
    expect([ended.exitCode, ended.sessionId, exec.list()]).toEqual([0, undefined, []]);
  });
});

describe("the output", () => {
  test("of two looks does not cut a character", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const { sessionId } = await exec.execCommand({ command: ["x"], yieldTimeMs: 0 });
    const child = target.processes[0]!;
    child.say(new Uint8Array([0x61, 0xe2, 0x82]));
    await until(WAIT_MS, "output", () => exec.list()[0]!.unreadBytes === 3);
    expect((await exec.writeStdin({ sessionId: sessionId!, yieldTimeMs: 0 })).output).toBe("a");
    child.say(new Uint8Array([0xac]));
    child.exit(0);
    expect((await exec.writeStdin({ sessionId: sessionId! })).output).toBe("€");
  });

  test("says where some is lost", async () => {
    const target = new FakeTarget();
    target.prepare = (process) => {
      process.say("a");
      process.tell({ kind: "gap", firstSeq: 2, lastSeq: 3, lostBytes: 12 });
      process.say("b");
      process.exit(0);
    };
    const result = await new UnifiedExec(target).execCommand({ command: ["x"] });
    expect(result.output).toBe("a\n[... 12 bytes of output lost ...]\nb");
  });

  test("is told of once when two look at a time", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    const { sessionId } = await exec.execCommand({ command: ["x"], yieldTimeMs: 0 });
    const looks = [1, 2].map(() => exec.writeStdin({ sessionId: sessionId!, yieldTimeMs: 60_000 }));
    target.processes[0]!.say("once");
    target.processes[0]!.exit(6);
    const results = await within(WAIT_MS, "results", Promise.all(looks));
    expect(results.map(({ output }) => output).sort()).toEqual(["", "once"]);
    expect(results.map(({ exitCode, sessionId }) => [exitCode, sessionId])).toEqual([
      [6, undefined],
      [6, undefined],
    ]);
  });

  test("of no whole number of bytes is refused before anything happens", async () => {
    const target = new FakeTarget();
    const exec = new UnifiedExec(target);
    expect(await codeOf(exec.execCommand({ command: ["x"], maxOutputBytes: -1 }))).toBe("RangeError");
    expect(target.started).toEqual([]);
  });
});

describe("the shell of a command line", () => {
  test("is /bin/sh where the server does not tell", async () => {
    const target = new FakeTarget();
    target.prepare = (process) => process.exit(0);
    await new UnifiedExec(target).execCommand({ command: "ls" });
    const old = Object.assign(new FakeTarget(), {
      prepare: target.prepare,
      info: () => Promise.reject(new RpcError(-32601, "unknown method")),
    });
    await new UnifiedExec(old).execCommand({ command: "ls", tty: true });
    expect(target.started[0]!.argv).toEqual(["/bin/sh", "-lc", "ls"]);
    expect(old.started[0]).toMatchObject({
      argv: ["/bin/sh", "-lc", "ls"],
      terminal: { columns: 80, rows: 24 },
    });
  });
});
