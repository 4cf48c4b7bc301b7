/** `process/read`. */

import { expect } from "bun:test";
import { suite, verifies } from "../support/harness.ts";
import type { Json } from "../support/raw_client.ts";
import type { RawProcess } from "../support/raw_process.ts";

const text = (result: Json): string =>
  Buffer.concat(result.chunks.map(({ chunk }: Json) => Buffer.from(chunk, "base64"))).toString();

/** Writes pieces that are chunks of their own. */
const pieces = "printf aaaa; sleep 0.05; printf bbbb; sleep 0.05; printf cccc";

suite("read", { peerTransports: ["stdio"] }, (t) => {
  /** A process with so many pieces of output and no end. */
  const talking = async (): Promise<RawProcess> => {
    const child = await t.start(`${pieces}; exec sleep 100`);
    await child.client.until(() => child.output().length === 12);
    return child;
  };
  /** A read and how long it took. */
  const timed = async (child: RawProcess, params: object): Promise<{ result: Json; ms: number }> => {
    const from = performance.now();
    const result = await child.read(params, 10_000);
    return { result, ms: performance.now() - from };
  };

  verifies("process/read: gives what is retained, as often as asked", async () => {
    const child = await talking();
    for (let i = 0; i < 2; i++) {
      const result = await child.read();
      expect(text(result)).toBe("aaaabbbbcccc");
      expect(result.chunks.map(({ stream }: Json) => stream)).toEqual(["stdout", "stdout", "stdout"]);
      expect(result.chunks.map(({ seq }: Json) => seq)).toEqual([1, 2, 3]);
      const { chunks: _, nextSeq, ...state } = result;
      expect(nextSeq).toBe(4);
      t.same("read result", state, {
        exited: false,
        exitCode: null,
        closed: false,
        failure: null,
        sandboxDenied: false,
      });
    }
    await child.end();
    const nulls = await child.read({ afterSeq: null, maxBytes: null, waitMs: null });
    expect(nulls).toMatchObject({ exited: true, closed: true });
  });

  verifies("process/read: gives what comes after afterSeq", async () => {
    const child = await talking();
    expect(text(await child.read({ afterSeq: 1 }))).toBe("bbbbcccc");
    expect(await child.read({ afterSeq: 3 })).toMatchObject({ chunks: [], nextSeq: 4 });
    expect((await child.read({ afterSeq: 99 })).chunks).toEqual([]);
    child.client.send(
      `{"id":"big","method":"process/read","params":{"processId":"${child.id}","afterSeq":18446744073709551615}}`,
    );
    expect((await child.client.answer("big")).result.chunks).toEqual([]);
    await child.end();
  });

  verifies("process/read: gives whole chunks up to maxBytes, but at least one", async () => {
    const child = await talking();
    for (const [maxBytes, wanted] of [
      [0, "aaaa"],
      [1, "aaaa"],
      [7, "aaaa"],
      [8, "aaaabbbb"],
      [11, "aaaabbbb"],
      [12, "aaaabbbbcccc"],
    ] as const) {
      const result = await child.read({ maxBytes });
      expect({ maxBytes, text: text(result) }).toEqual({ maxBytes, text: wanted });
      expect(result.nextSeq).toBe(wanted.length / 4 + 1);
    }
    await child.end();
  });

  verifies("process/read: nextSeq is the number of the next event", async () => {
    const child = await t.start("echo on");
    await child.closed();
    const full = await child.read();
    // The exit may have come before the output.
    const { seq } = full.chunks[0];
    if (t.difference("nextSeq")) expect(full.nextSeq).toBe(seq + 1);
    else expect(full.nextSeq).toBe(4);
    expect((await child.read({ afterSeq: 3 })).nextSeq).toBe(4);
    expect((await child.read({ maxBytes: 0 })).nextSeq).toBe(seq + 1);
  });

  verifies("process/read: waits up to waitMs for something to tell", async () => {
    const child = await talking();
    const { result, ms } = await timed(child, { afterSeq: 3, waitMs: 100 });
    expect(result.chunks).toEqual([]);
    expect(ms).toBeGreaterThan(95);
    expect(ms).toBeLessThan(1500);
    expect((await timed(child, { afterSeq: 2, waitMs: 60_000 })).ms).toBeLessThan(1000);
    await child.end();
  });

  verifies("process/read: a wait ends with the next output", async () => {
    const child = await t.start("sleep 0.2; echo late; exec sleep 100");
    const { result, ms } = await timed(child, { waitMs: 60_000 });
    expect(text(result)).toBe("late\n");
    expect(ms).toBeLessThan(2000);
    await child.end();
  });

  verifies("process/read: a wait ends with the exit, and then with the closing", async () => {
    // The grandchild holds the pipe.
    const child = await t.start("(sleep 0.4; echo late) & sleep 0.1; exit 3");
    const exit = await timed(child, { waitMs: 60_000 });
    expect(exit.result).toMatchObject({ chunks: [], exited: true, exitCode: 3, closed: false, nextSeq: 2 });
    const late = await timed(child, { afterSeq: 1, waitMs: 60_000 });
    expect(text(late.result)).toBe("late\n");
    const closed = await timed(child, { afterSeq: 2, waitMs: 60_000 });
    expect(closed.result).toMatchObject({ chunks: [], closed: true });
    expect((await timed(child, { afterSeq: 99, waitMs: 60_000 })).ms).toBeLessThan(1000);
    expect(exit.ms + late.ms + closed.ms).toBeLessThan(3000);
  });

  verifies("process/read: behind the end it waits for the closing only", async () => {
    const child = await t.start("sleep 0.05; echo ignored; sleep 0.1; exit 0");
    const { result } = await timed(child, { afterSeq: 99, waitMs: 60_000 });
    expect(result.chunks).toEqual([]);
    expect(result).toMatchObject({ exited: true });
    await child.closed();
  });

  verifies("process/read: an id that is not known is an error", async () => {
    const answer = await (await t.client()).ask("process/read", { processId: "no such", waitMs: 60_000 });
    expect(answer.error).toEqual({ code: -32600, message: "unknown process id no such" });
  });

  verifies("process/read: several may read at once", async () => {
    if (!t.ours) return;
    const child = await t.start("sleep 0.2; echo on; exec sleep 100");
    const all = await Promise.all([1, 2, 3, 4].map(() => child.read({ waitMs: 60_000 })));
    expect(all.map(text)).toEqual(Array(4).fill("on\n"));
    await child.end();
  });
});
