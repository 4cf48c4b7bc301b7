/** What our server can do beyond the peer, each advertised as a capability. */

import { expect } from "bun:test";
import { constants } from "node:os";
import { until } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { statOf } from "../support/proc.ts";
import { RawProcess } from "../support/raw_process.ts";

suite("extensions", { servers: ours }, (t) => {
  const ask = async (
    method: string,
    params: object,
  ): Promise<{ result?: unknown; error?: { code: number } }> => await (await t.client()).ask(method, params);

  verifies("process/closeStdin: the child sees the end of its input, after what was written", async () => {
    const child = await t.start("wc -c", { pipeStdin: true });
    const { id: processId } = child;
    const bytes = Buffer.alloc(300_000, "x");
    for (let i = 0; i < 3; i++) child.write(bytes);
    expect((await ask("process/closeStdin", { processId })).result).toEqual({ status: "accepted" });
    expect((await child.closed()).stdout).toBe("900000\n");
    expect((await ask("process/closeStdin", { processId })).result).toEqual({ status: "stdinClosed" });
  });

  verifies("process/closeStdin: says what became of it", async () => {
    expect((await ask("process/closeStdin", { processId: "none" })).result).toEqual({
      status: "unknownProcess",
    });
    const closed = await t.start("exec sleep 100");
    expect((await ask("process/closeStdin", { processId: closed.id })).result).toEqual({
      status: "stdinClosed",
    });
    await closed.end();
    const terminal = await t.start("exec sleep 100", { tty: true });
    expect((await ask("process/closeStdin", { processId: terminal.id })).error!.code).toBe(-32600);
    await terminal.end();
    const cat = await t.start(["/bin/cat"], { pipeStdin: true });
    await ask("process/closeStdin", { processId: cat.id });
    expect(await cat.write("x")).toBe("stdinClosed");
    expect((await cat.closed()).exitCode).toBe(0);
  });

  verifies("process/resize: the terminal has the size, and the program is told", async () => {
    const child = await t.start("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", {
      tty: true,
      terminalSize: { columns: 100, rows: 30 },
    });
    await child.says("ready");
    const size = { processId: child.id, columns: 132, rows: 43 };
    expect((await ask("process/resize", size)).result).toEqual({});
    await child.says("43 132");
    for (const bad of [{ columns: 0 }, { rows: 70_000 }, { rows: -1 }, { columns: "80" }]) {
      expect((await ask("process/resize", { ...size, ...bad })).error!.code).toBe(-32602);
    }
    await child.end();
    expect((await ask("process/resize", { ...size, processId: "none" })).error!.code).toBe(-32600);
    const piped = await t.start("exec sleep 100");
    expect((await ask("process/resize", { ...size, processId: piped.id })).error!.code).toBe(-32600);
    await piped.end();
  });

  verifies("process/resize: a terminal begins with the size that was asked for", async () => {
    const terminalSize = { columns: 111, rows: 22 };
    expect((await t.run("stty size", { tty: true, terminalSize })).pty).toBe("22 111\r\n");
    expect((await t.run("stty size", { tty: true, terminalSize: null })).pty).toBe("24 80\r\n");
    const bad = t.params("true", { tty: true, terminalSize: { columns: 0, rows: 1 } });
    expect((await t.refusal(bad)).code).toBe(-32602);
  });

  verifies("process/signal: ours sends every signal of the table", async () => {
    const signals = {
      interrupt: constants.signals.SIGINT,
      hangup: constants.signals.SIGHUP,
      quit: constants.signals.SIGQUIT,
      kill: constants.signals.SIGKILL,
      terminate: constants.signals.SIGTERM,
      user1: constants.signals.SIGUSR1,
      user2: constants.signals.SIGUSR2,
    };
    for (const [signal, number] of Object.entries(signals)) {
      const child = await t.start("echo ready; exec sleep 100");
      await child.says("ready");
      expect((await ask("process/signal", { processId: child.id, signal })).result).toEqual({});
      expect((await child.closed()).exitCode).toBe(128 + number);
    }
    const child = await t.start("echo $$; exec sleep 100");
    await child.says("\n");
    const pid = Number(child.text);
    await ask("process/signal", { processId: child.id, signal: "stop" });
    await until(2000, "stop", () => statOf(pid)?.state === "T");
    await ask("process/signal", { processId: child.id, signal: "continue" });
    await until(2000, "continuation", () => statOf(pid)?.state !== "T");
    await child.end();
  });

  /** The length of the output once it has stopped growing. */
  const still = async (child: RawProcess): Promise<number> => {
    for (let seen = -1; seen !== child.output().length; await Bun.sleep(100)) seen = child.output().length;
    return child.output().length;
  };

  verifies("process/consumed: output waits for what was acknowledged", async () => {
    const client = await t.client();
    const child = await t.start("head -c 3000000 /dev/zero; echo end", { outputWindowBytes: 100_000 });
    const first = await still(child);
    expect(first).toBeGreaterThan(100_000);
    expect(first).toBeLessThan(700_000);
    client.notify("process/consumed", { processId: child.id, seq: child.events.at(-1)!.seq });
    const second = await still(child);
    expect(second - first).toBeGreaterThan(100_000);
    expect(second - first).toBeLessThan(700_000);
    // An old number takes nothing back, one that is not there yet is worth what is there.
    client.notify("process/consumed", { processId: child.id, seq: 1 });
    const closed = child.closed();
    const timer = setInterval(() => client.notify("process/consumed", { processId: child.id, seq: 1e9 }), 5);
    expect((await closed).bytes.length).toBe(3_000_004);
    clearInterval(timer);
  });

  verifies("process/consumed: what is no acknowledgement closes, an unknown process does not", async () => {
    const client = await t.fresh();
    client.notify("process/consumed", { processId: "none", seq: 5 });
    expect(await client.call("process/terminate", { processId: "none" })).toEqual({ running: false });
    client.notify("process/consumed", { processId: "none", seq: -5 });
    await client.closed;
  });

  verifies("process/consumed: within a window nothing is lost while nobody is attached", async () => {
    if (t.transport === "stdio") return;
    const client = await t.fresh();
    const child = await new RawProcess(client).start(
      t.params("seq 1 400000; exit 7", { outputWindowBytes: 500_000 }),
    );
    await still(child);
    await client.close();
    const again = await t.fresh({ resume: client.sessionId });
    let [text, seq, closed] = ["", 0, false];
    while (!closed) {
      const result = await again.call("process/read", { processId: child.id, afterSeq: seq, waitMs: 5000 });
      expect(result).not.toHaveProperty("lostBytes");
      for (const piece of result.chunks) text += Buffer.from(piece.chunk, "base64").toString();
      seq = result.nextSeq - 1;
      again.notify("process/consumed", { processId: child.id, seq });
      closed = result.closed;
    }
    const wanted = Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join("");
    expect(text === wanted).toBe(true);
  });
});
