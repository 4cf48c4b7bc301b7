import { describe, expect, test } from "bun:test";
import type { Cgroups } from "../../../lib/process/cgroups.ts";
import { defaultProcessLimits, type ProcessLimits, ProcessTable } from "../../../lib/process/handlers.ts";
import type { ManagedProcess, ProcessEvent } from "../../../lib/process/process.ts";
import { RpcError } from "../../../lib/protocol/errors.ts";
import type { ReadResult, SignalName, StartParams, WriteResult } from "../../../lib/protocol/process.ts";
import { SpawnError } from "../../../lib/runtime/runtime.ts";
import { until, within } from "../../support/deadline.ts";
import { WAIT_MS } from "../transport/support.ts";
import { FakeRuntime } from "./fake_runtime.ts";

const base = { argv: ["/bin/x"], cwd: "/", env: {}, tty: false };

function makeTable(
  limits: Partial<ProcessLimits> = {},
  cgroups?: Cgroups,
): {
  table: ProcessTable;
  fake: FakeRuntime;
  events: string[];
  start(processId: string, more?: Partial<StartParams>): FakeRuntime["last"];
} {
  const fake = new FakeRuntime();
  const events: string[] = [];
  const observer = {
    event: (process: ManagedProcess, event: ProcessEvent) =>
      void events.push(`${process.id} ${event.kind} ${event.seq}`),
    ready: () => undefined,
    attached: () => 1,
  };
  const bounds = { ...defaultProcessLimits, ...limits };
  const table = new ProcessTable(fake.runtime, observer, bounds, undefined, cgroups);
  const start = (processId: string, more: Partial<StartParams> = {}): FakeRuntime["last"] => {
    expect(table["process/start"]({ ...base, processId, ...more })).toEqual({
      processId,
      sandboxType: "none",
    });
    return fake.last;
  };
  return { table, fake, events, start };
}

function refusalOf(call: () => unknown): [number, string] {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(RpcError);
    return [(error as RpcError).code, (error as RpcError).message];
  }
  throw new Error("Accepted");
}

function read(table: ProcessTable, processId: string, afterSeq = 0): ReadResult {
  return table["process/read"]({ processId, afterSeq }) as ReadResult;
}

async function closed(table: ProcessTable, processId: string): Promise<void> {
  await until(WAIT_MS, "closed", () => read(table, processId).closed);
}

test("the limits by default are these", () => {
  expect(defaultProcessLimits).toEqual({
    retainedBytes: 4_194_304,
    retainedClosedBytes: 67_108_864,
    maxStdinBytes: 67_108_864,
    closedRetentionMs: 80_000,
    endGraceMs: 250,
  });
});

describe("process/start", () => {
  test("of a process that cannot be held to its limits leaves nothing open", () => {
    const group = {
      enclose: (spawn: () => unknown) => spawn(),
      limit: () => {
        throw new Error("no such controller");
      },
    };
    let givenBack: unknown;
    const cgroups = {
      ...{ folder: "/none", controllers: new Set(["pids"]), take: () => group },
      giveBack: (one: unknown) => {
        givenBack = one;
        return true;
      },
    } as unknown as Cgroups;
    const { table, fake } = makeTable({}, cgroups);
    const start = { ...base, processId: "p", pipeStdin: true, limits: { processes: 5 } };
    expect(() => table["process/start"](start)).toThrow("no such controller");
    const { signals, stdin, stdout, stderr } = fake.last;
    expect([signals, stdin!.destroyed, stdout.cancelled, stderr!.cancelled]).toEqual([[9], true, true, true]);
    expect(givenBack).toBe(group);
    expect(table["process/list"]().processes).toEqual([]);
  });

  test("hands the child what was asked for", () => {
    const { start } = makeTable();
    const { options } = start("p", {
      argv: ["/bin/x", "a"],
      arg0: "name",
      cwd: "file:///a%20b",
      env: { A: "1" },
    });
    expect({ ...options, env: { ...options.env } }).toEqual({
      file: "/bin/x",
      argv: ["name", "a"],
      env: { A: "1" },
      cwd: "/a b",
      stdin: "null",
    });
    expect(start("q", { pipeStdin: true }).options.stdin).toBe("pipe");
    expect(start("t", { tty: true }).options.terminal).toEqual({ columns: 80, rows: 24 });
    expect(start("s", { tty: true, terminalSize: { columns: 1, rows: 65_535 } }).options.terminal).toEqual({
      columns: 1,
      rows: 65_535,
    });
    expect(start("n", { terminalSize: { columns: 5, rows: 5 } }).options.terminal).toBeUndefined();
    expect(start("", { arg0: "" }).options.argv).toEqual([""]);
  });

  const uuid = "3f0c6f0e-8a55-4b0e-9d5e-0f1f7a2f6c11";
  const refused: [string, Partial<StartParams>, number, string][] = [
    ["no argv", { argv: [] }, -32602, "argv must not be empty"],
    ["an empty program", { argv: [""] }, -32603, "missing program for pipe spawn"],
    ["an empty program on a terminal", { argv: [""], tty: true }, -32603, "missing program for PTY spawn"],
    ["a relative cwd", { cwd: "a" }, -32602, "cwd: invalid path: expected an absolute path or a `file:` URI"],
    ["a foreign scheme", { cwd: "http://h/" }, -32602, "cwd: unsupported path URI scheme `http`"],
    ["a NUL in argv", { argv: ["/bin/x", "a\0b"] }, -32603, "nul byte found in provided data"],
    ["a NUL in a variable", { env: { A: "\0" } }, -32603, "nul byte found in provided data"],
    ["a NUL in a name", { env: { "A\0": "" } }, -32603, "nul byte found in provided data"],
    ["a NUL in cwd", { cwd: "file:///a%00" }, -32603, "nul byte found in provided data"],
    [
      "a thread id that is no UUID",
      { metadata: { threadId: "1" } },
      -32602,
      "metadata.threadId: expected a UUID",
    ],
    [
      "a terminal without columns",
      { tty: true, terminalSize: { columns: 0, rows: 1 } },
      -32602,
      "terminal size 0x1: expected 1 to 65535 columns and rows",
    ],
    [
      "a terminal of too many rows",
      { tty: true, terminalSize: { columns: 1, rows: 65_536 } },
      -32602,
      "terminal size 1x65536: expected 1 to 65535 columns and rows",
    ],
    [
      "a sandbox where nothing can confine",
      { sandbox: { permissions: { type: "managed", file_system: { type: "unrestricted" } } } },
      -32603,
      "sandbox: this server cannot confine anything: the C library cannot be called",
    ],
    [
      "a network through a proxy that there is not",
      { enforceManagedNetwork: true },
      -32603,
      "enforceManagedNetwork: this server has no proxy to lead through",
    ],
  ];
  for (const [what, more, code, message] of refused) {
    test(`refuses ${what}, and the id stays free`, () => {
      const { table, fake, start } = makeTable();
      expect(refusalOf(() => table["process/start"]({ ...base, processId: "p", ...more }))).toEqual([
        code,
        message,
      ]);
      expect(fake.children).toEqual([]);
      start("p", { metadata: { threadId: uuid } });
      expect({ ...fake.last.options.env }).toEqual({ CODEX_THREAD_ID: uuid });
    });
  }

  test("takes a sandbox that confines nothing", () => {
    const { start } = makeTable();
    start("p", { sandbox: { permissions: { type: "disabled" } } });
    start("q", { sandbox: { permissions: { type: "external" } } });
  });

  test("an id that is in use is refused; what the system says of a spawn is told, and frees the id", () => {
    const { table, fake, start } = makeTable();
    start("p");
    expect(refusalOf(() => start("p"))).toEqual([-32600, "process p already exists"]);
    fake.failure = new SpawnError(13, "Permission denied (os error 13)");
    expect(refusalOf(() => start("q"))).toEqual([-32603, "Permission denied (os error 13)"]);
    fake.failure = undefined;
    start("q");
    expect(
      refusalOf(() => table["process/start"]({ ...base, processId: "r", argv: ["no-such-program-here"] })),
    ).toEqual([-32603, "No such file or directory (os error 2)"]);
  });
});

describe("process/read", () => {
  test("tells everything there is, as the newer peer does", async () => {
    const { table, start } = makeTable();
    const child = start("p");
    expect(read(table, "p")).toEqual({
      chunks: [],
      nextSeq: 1,
      exited: false,
      exitCode: null,
      closed: false,
      failure: null,
      sandboxDenied: false,
    });
    child.stdout.push("ab");
    await until(WAIT_MS, "output", () => read(table, "p").nextSeq === 2);
    child.stderr!.push("c");
    await until(WAIT_MS, "output", () => read(table, "p").nextSeq === 3);
    child.end({ code: 5, signal: null });
    await closed(table, "p");
    expect(read(table, "p", 1)).toEqual({
      chunks: [{ seq: 2, stream: "stderr", chunk: new Uint8Array([99]) }],
      nextSeq: 5,
      exited: true,
      exitCode: 5,
      closed: true,
      failure: null,
      sandboxDenied: false,
    });
    const limited = table["process/read"]({ processId: "p", maxBytes: 1 }) as ReadResult;
    expect([limited.chunks.length, limited.nextSeq, limited.closed]).toEqual([1, 2, true]);
    const none = table["process/read"]({ processId: "p", afterSeq: 2, maxBytes: 1 }) as ReadResult;
    expect([none.chunks.length, none.nextSeq]).toEqual([0, 5]);
  });

  test("an unknown id is refused", () => {
    const { table } = makeTable();
    expect(refusalOf(() => table["process/read"]({ processId: "x" }))).toEqual([
      -32600,
      "unknown process id x",
    ]);
  });

  test("waits for what comes, and no longer than asked", async () => {
    const { table, start } = makeTable();
    const child = start("p");
    const from = performance.now();
    const empty = await (table["process/read"]({ processId: "p", waitMs: 30 }) as Promise<ReadResult>);
    expect(empty.chunks).toEqual([]);
    expect(performance.now() - from).toBeGreaterThanOrEqual(25);
    const waiting = table["process/read"]({ processId: "p", waitMs: 2 ** 53 }) as Promise<ReadResult>;
    child.stdout.push("x");
    expect((await within(WAIT_MS, "answer", waiting)).chunks).toHaveLength(1);
    expect(table["process/read"]({ processId: "p", waitMs: 1000 })).not.toBeInstanceOf(Promise);
  });

  test("past the end it waits for the exit's successor, closed", async () => {
    const { table, start } = makeTable();
    const child = start("p");
    const past = table["process/read"]({
      processId: "p",
      afterSeq: 99,
      waitMs: 60_000,
    }) as Promise<ReadResult>;
    child.stdout.push("x");
    child.exit({ code: 0, signal: null });
    await until(WAIT_MS, "exit", () => read(table, "p").exited);
    const atExit = table["process/read"]({ processId: "p", afterSeq: 2, waitMs: 60_000 });
    expect(atExit).toBeInstanceOf(Promise);
    expect(table["process/read"]({ processId: "p", afterSeq: 1, waitMs: 60_000 })).not.toBeInstanceOf(
      Promise,
    );
    child.endOutput();
    for (const answer of [past, atExit as Promise<ReadResult>]) {
      expect((await within(WAIT_MS, "answer", answer)).closed).toBe(true);
    }
  });

  test("waits end when the client goes", async () => {
    const { table, start } = makeTable();
    start("p");
    const waiting = table["process/read"]({ processId: "p", waitMs: 60_000 }) as Promise<ReadResult>;
    table.detach();
    expect((await within(WAIT_MS, "answer", waiting)).chunks).toEqual([]);
  });

  test("lostBytes is there only when something was given up", async () => {
    const { table, start } = makeTable({ retainedBytes: 10 });
    const child = start("p");
    for (const text of ["12345", "67890", "abc"]) child.stdout.push(text);
    await until(WAIT_MS, "output", () => read(table, "p").nextSeq === 4);
    expect(read(table, "p")).toMatchObject({ lostBytes: 5, nextSeq: 4 });
    expect(read(table, "p").chunks.map(({ seq }) => seq)).toEqual([2, 3]);
    expect(read(table, "p", 1)).not.toHaveProperty("lostBytes");
    expect(read(table, "p")).not.toHaveProperty("lostBytesIsMinimum");
  });
});

describe("process/write and process/closeStdin", () => {
  const chunk = new Uint8Array([120]);

  test("answer by the state of the process", async () => {
    const { table, start } = makeTable();
    const write = (processId: string): unknown => table["process/write"]({ processId, chunk });
    expect(write("none")).toEqual({ status: "unknownProcess" });
    expect(table["process/closeStdin"]({ processId: "none" })).toEqual({ status: "unknownProcess" });
    start("pipes");
    expect(write("pipes")).toEqual({ status: "stdinClosed" });
    const child = start("stdin", { pipeStdin: true });
    expect(write("stdin")).toEqual({ status: "accepted" });
    expect(table["process/closeStdin"]({ processId: "stdin" })).toEqual({ status: "accepted" });
    expect(write("stdin")).toEqual({ status: "stdinClosed" });
    expect(child.stdin!.text).toBe("x");
    const terminal = start("terminal", { tty: true });
    expect(write("terminal")).toEqual({ status: "accepted" });
    expect(refusalOf(() => table["process/closeStdin"]({ processId: "terminal" }))[0]).toBe(-32600);
    terminal.end({ code: 0, signal: null });
    await closed(table, "terminal");
    expect(write("terminal")).toEqual({ status: "stdinClosed" });
  });

  test("an empty writeId is refused, before the process is looked for", () => {
    const { table } = makeTable();
    expect(refusalOf(() => table["process/write"]({ processId: "none", chunk, writeId: "" }))).toEqual([
      -32602,
      "writeId must not be empty",
    ]);
  });

  test("a repeated writeId is accepted and not written, among the last 4096", () => {
    const { table, start } = makeTable();
    const child = start("p", { pipeStdin: true });
    const write = (writeId: string): unknown => table["process/write"]({ processId: "p", chunk, writeId });
    for (let i = 0; i < 4096; i++) write(`id ${i}`);
    expect(child.stdin!.taken).toHaveLength(4096);
    expect(write("id 0")).toEqual({ status: "accepted" });
    expect(child.stdin!.taken).toHaveLength(4096);
    write("one more");
    write("id 1");
    expect(child.stdin!.taken).toHaveLength(4097);
    write("id 0");
    expect(child.stdin!.taken).toHaveLength(4098);
  });

  test("a write that was not taken may be repeated", () => {
    const { table, start } = makeTable({ maxStdinBytes: 4 });
    const child = start("p", { pipeStdin: true });
    child.stdin!.open = false;
    table["process/write"]({ processId: "p", chunk: new Uint8Array(4), writeId: "a" });
    expect(refusalOf(() => table["process/write"]({ processId: "p", chunk, writeId: "b" }))).toEqual([
      -32603,
      "process p does not read its input: 4 bytes wait, the limit is 4",
    ]);
    child.stdin!.flush();
    expect(table["process/write"]({ processId: "p", chunk, writeId: "b" }) as WriteResult).toEqual({
      status: "accepted",
    });
    child.stdin!.flush();
    expect(child.stdin!.taken).toHaveLength(2);
  });
});

describe("signals, the end and the size", () => {
  const numbers: [SignalName, number][] = [
    ["interrupt", 2],
    ["hangup", 1],
    ["quit", 3],
    ["kill", 9],
    ["terminate", 15],
    ["user1", 10],
    ["user2", 12],
    ["stop", 19],
    ["continue", 18],
  ];
  test("each name is its signal, and an unknown process gets {} too", () => {
    const { table, start } = makeTable();
    const child = start("p");
    for (const [signal] of numbers) expect(table["process/signal"]({ processId: "p", signal })).toEqual({});
    expect(child.signals).toEqual(numbers.map(([, number]) => number));
    expect(table["process/signal"]({ processId: "none", signal: "kill" })).toEqual({});
  });

  test("terminate says whether it ran", async () => {
    const { table, start, fake } = makeTable();
    fake.mortal = true;
    start("p");
    expect(table["process/terminate"]({ processId: "p" })).toEqual({ running: true });
    await closed(table, "p");
    expect(table["process/terminate"]({ processId: "p" })).toEqual({ running: false });
    expect(table["process/terminate"]({ processId: "none" })).toEqual({ running: false });
  });

  test("resize wants a terminal and a sensible size", () => {
    const { table, start } = makeTable();
    start("pipes");
    const child = start("tty", { tty: true });
    expect(table["process/resize"]({ processId: "tty", columns: 100, rows: 50 })).toEqual({});
    expect(child.sizes).toEqual([{ columns: 100, rows: 50 }]);
    expect(refusalOf(() => table["process/resize"]({ processId: "tty", columns: 0, rows: 1 }))[0]).toBe(
      -32602,
    );
    expect(refusalOf(() => table["process/resize"]({ processId: "pipes", columns: 1, rows: 1 }))).toEqual([
      -32600,
      "process pipes has no terminal",
    ]);
    expect(refusalOf(() => table["process/resize"]({ processId: "none", columns: 1, rows: 1 }))).toEqual([
      -32600,
      "unknown process id none",
    ]);
  });
});

describe("closed processes", () => {
  test("keep their output and their id for a while, then both are free", async () => {
    const { table, start, fake } = makeTable({ closedRetentionMs: 60 });
    fake.mortal = true;
    const child = start("p");
    child.stdout.push("x");
    child.end({ code: 0, signal: null });
    await closed(table, "p");
    expect(read(table, "p").chunks).toHaveLength(1);
    expect(refusalOf(() => start("p"))).toEqual([-32600, "process p already exists"]);
    await until(WAIT_MS, "free id", () => {
      try {
        read(table, "p");
        return false;
      } catch {
        return true;
      }
    });
    start("p");
    expect(read(table, "p").nextSeq).toBe(1);
    await table.dispose();
  });

  test("an exited process that is not closed is kept", async () => {
    const { table, start, fake } = makeTable({ closedRetentionMs: 10 });
    const child = start("p");
    child.exit({ code: 0, signal: null });
    await Bun.sleep(50);
    expect(read(table, "p")).toMatchObject({ exited: true, closed: false });
    child.endOutput();
    expect(fake.children).toHaveLength(1);
  });

  test("together they keep so much output; the oldest gives up and says how much", async () => {
    const { table, start } = makeTable({ retainedClosedBytes: 10 });
    const run = async (processId: string, text: string): Promise<void> => {
      const child = start(processId);
      if (text !== "") child.stdout.push(text);
      child.end({ code: 0, signal: null });
      await closed(table, processId);
    };
    await run("a", "12345");
    await run("b", "");
    await run("c", "67890");
    expect(["a", "c"].map((id) => read(table, id).chunks.length)).toEqual([1, 1]);
    await run("d", "x");
    expect(read(table, "a")).toMatchObject({
      chunks: [],
      lostBytes: 5,
      closed: true,
      exitCode: 0,
      nextSeq: 4,
    });
    expect(read(table, "a", 1)).not.toHaveProperty("lostBytes");
    expect(["c", "d"].map((id) => read(table, id).chunks.length)).toEqual([1, 1]);
    // One alone may be above the bound, and keeps nothing then.
    await run("e", "0123456789a");
    expect(["c", "d", "e"].map((id) => read(table, id).lostBytes)).toEqual([5, 1, 11]);
    await table.dispose();
  });

  test("those that were forgotten count no more", async () => {
    const { table, start } = makeTable({ retainedClosedBytes: 10, closedRetentionMs: 30 });
    for (const id of ["a", "b"]) {
      const child = start(id);
      child.stdout.push("1234567");
      child.end({ code: 0, signal: null });
      await closed(table, id);
      if (id === "a") await Bun.sleep(80);
    }
    expect(read(table, "b").chunks).toHaveLength(1);
    await table.dispose();
  });
});

describe("the end of a session", () => {
  test("dispose does not wait for ever for a child in the kernel's hands", async () => {
    const { table, start } = makeTable({ endGraceMs: 0 });
    const child = start("p");
    await within(WAIT_MS, "end", table.dispose());
    expect(child.signals).toEqual([9]);
    child.exit({ code: null, signal: 9 });
  });

  test("dispose asks, kills every group after the grace, waits for the children and forgets all", async () => {
    const { table, start, fake, events } = makeTable({ endGraceMs: 20 });
    const running = start("running");
    const exited = start("exited");
    exited.exit({ code: 0, signal: null });
    await until(WAIT_MS, "exit", () => read(table, "exited").exited);
    fake.mortal = false;
    let disposed = false;
    const end = table.dispose().then(() => {
      disposed = true;
    });
    await until(WAIT_MS, "question", () => running.signals.length === 1);
    expect([running.signals, exited.signals]).toEqual([[15], []]);
    await until(WAIT_MS, "kill", () => running.signals.length === 2);
    expect([running.signals, exited.signals]).toEqual([[15, 9], [9]]);
    await Bun.sleep(10);
    expect(disposed).toBe(false);
    running.exit({ code: null, signal: 9 });
    await within(WAIT_MS, "end", end);
    expect(refusalOf(() => read(table, "running"))[0]).toBe(-32600);
    expect(events).toContain("exited exited 1");
  });

  test("the window holds also while nobody is attached, so that a resume loses nothing", async () => {
    const { table, start } = makeTable();
    const child = start("p", { outputWindowBytes: 2 });
    for (const text of ["12345", "67890"]) child.stdout.push(text);
    await until(WAIT_MS, "first piece", () => read(table, "p").chunks.length === 1);
    table.detach();
    await Bun.sleep(10);
    expect(read(table, "p").chunks).toHaveLength(1);
    table.consumed("p", 1);
    await until(WAIT_MS, "second piece", () => read(table, "p").chunks.length === 2);
  });

  test("process/consumed opens the window, and is nothing for an unknown process", async () => {
    const { table, start } = makeTable();
    const child = start("p", { outputWindowBytes: 2 });
    child.stdout.push("12345");
    child.stdout.push("67890");
    await until(WAIT_MS, "first piece", () => read(table, "p").chunks.length === 1);
    table.consumed("none", 1);
    table.consumed("p", 1);
    await until(WAIT_MS, "second piece", () => read(table, "p").chunks.length === 2);
  });
});

describe("a start that is asked for once", () => {
  const once = { ...base, processId: "p", startOnce: true, env: { B: "2", A: "1" } };
  const ask = (table: ProcessTable, params: StartParams): unknown => table["process/start"](params);

  test("is answered again when the same request comes again, whatever the order of its members", async () => {
    const { table, fake } = makeTable();
    expect(ask(table, once)).toEqual({ processId: "p", sandboxType: "none" });
    const again = {
      env: { A: "1", B: "2" },
      startOnce: true,
      processId: "p",
      tty: false,
      cwd: "/",
      argv: base.argv,
    };
    const joined = { processId: "p", sandboxType: "none", joined: true };
    expect(ask(table, again)).toEqual(joined);
    fake.last.end({ code: 0, signal: null });
    await closed(table, "p");
    expect(ask(table, again)).toEqual(joined);
    expect(fake.children).toHaveLength(1);
  });

  test("conflicts with every other request", async () => {
    const { table, fake } = makeTable();
    ask(table, once);
    const other: [number, string] = [-32600, "process p already exists, and another request has started it"];
    const refuseAll = (): void => {
      for (const change of [
        { argv: ["/bin/y"] },
        { env: {} },
        { tty: true },
        { cwd: "/tmp" },
        { labels: { a: "b" } },
      ]) {
        expect(refusalOf(() => ask(table, { ...once, ...change }))).toEqual(other);
      }
      const { startOnce: _, ...plain } = once;
      expect(refusalOf(() => ask(table, plain))).toEqual([-32600, "process p already exists"]);
    };
    refuseAll();
    fake.last.end({ code: 0, signal: null });
    await closed(table, "p");
    refuseAll();
    ask(table, { ...base, processId: "q" });
    expect(refusalOf(() => ask(table, { ...base, processId: "q", startOnce: true }))[1]).toContain(
      "another request",
    );
  });

  test("may be tried again after it has failed", () => {
    const { table, fake } = makeTable();
    fake.failure = new SpawnError(2, "none");
    expect(refusalOf(() => ask(table, once))[0]).toBe(-32603);
    fake.failure = undefined;
    expect(ask(table, once)).toEqual({ processId: "p", sandboxType: "none" });
  });
});

describe("process/list", () => {
  test("has every process that the session knows", async () => {
    const { table, start, fake } = makeTable();
    expect(table["process/list"]()).toEqual({ processes: [] });
    const before = Date.now();
    start("a", { argv: ["/bin/x", "1"], labels: { task: "7" }, pipeStdin: true });
    start("b", { tty: true });
    table["process/write"]({ processId: "a", chunk: new Uint8Array(5) });
    fake.children[0]!.stdout.push("abc");
    await until(WAIT_MS, "output", () => read(table, "a").chunks.length === 1);
    fake.children[0]!.end({ code: null, signal: 9 });
    await closed(table, "a");
    const [a, b] = table["process/list"]().processes;
    expect(a).toEqual({
      processId: "a",
      argv: ["/bin/x", "1"],
      pid: fake.children[0]!.pid,
      tty: false,
      state: "closed",
      startedAtMs: expect.any(Number),
      exitCode: 137,
      signal: "SIGKILL",
      outputBytes: 3,
      inputBytes: 5,
      attached: 1,
      labels: { task: "7" },
    });
    expect(a!.startedAtMs).toBeGreaterThanOrEqual(before);
    expect(b).toMatchObject({ processId: "b", tty: true, state: "running", exitCode: null, labels: {} });
    fake.children[1]!.exit({ code: 3, signal: null });
    await until(WAIT_MS, "exit", () => read(table, "b").exited);
    expect(table["process/list"]().processes[1]).toMatchObject({ state: "exited", exitCode: 3 });
    expect(refusalOf(() => start("c", { labels: { a: "x".repeat(17_000) } }))[0]).toBe(-32602);
  });
});

describe("limits", () => {
  test("that nobody holds are refused", () => {
    const { start } = makeTable();
    for (const name of ["memoryBytes", "processes", "cpuPercent"]) {
      expect(refusalOf(() => start("p", { limits: { [name]: 5 } }))).toEqual([
        -32600,
        `limits.${name}: this server cannot hold a process to it`,
      ]);
    }
  });

  test("that are hit end the process and are told", async () => {
    const { table, start, fake } = makeTable();
    const child = start("p", { limits: { outputBytes: 4 } });
    child.mortal = true;
    child.stdout.push("abcdef");
    child.stdout.push("more");
    await closed(table, "p");
    const { chunks, endedBy, exitCode } = read(table, "p");
    expect([chunks.map(({ chunk }) => String.fromCharCode(...chunk)), endedBy, exitCode]).toEqual([
      ["abcd"],
      "outputBytes",
      137,
    ]);
    expect(fake.last.signals).toEqual([9]);
    expect(table["process/list"]().processes[0]).toMatchObject({ endedBy: "outputBytes", outputBytes: 4 });
  });
});
