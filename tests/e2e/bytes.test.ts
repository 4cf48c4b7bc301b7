/** Bytes are exact, in both directions, by pipe and by terminal. */

import { expect } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { within } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { RawProcess } from "../support/raw_process.ts";

const all256 = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
/** Cut sequences, lone surrogates, overlong forms, a byte order mark. */
const noUtf8 = Buffer.from(
  "ff fe c3 28 e2 82 ed a0 80 c0 80 f8 88 80 80 80 ef bb bf 80".replaceAll(" ", ""),
  "hex",
);
const BURST = 64 * 1024 * 1024;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

suite("bytes", { peerTransports: ["stdio"] }, (t) => {
  for (const [name, bytes] of [
    ["all 256 values", Buffer.concat(Array(64).fill(all256))],
    ["what is no UTF-8", noUtf8],
  ] as const) {
    verifies("bytes: output is what the program wrote", name, async () => {
      const path = join(t.folder.work, "sample");
      writeFileSync(path, bytes);
      const piped = await t.run(`cat ${path}; cat ${path} >&2`);
      expect(piped.bytes.length).toBe(2 * bytes.length);
      const child = await t.start(`cat ${path}; cat ${path} >&2`);
      await child.closed();
      expect(child.output("stdout").equals(bytes)).toBe(true);
      expect(child.output("stderr").equals(bytes)).toBe(true);
      const terminal = await t.run(`stty raw -echo; cat ${path}`, { tty: true });
      expect(terminal.bytes.equals(bytes)).toBe(true);
    });

    verifies("bytes: input is what the client wrote", name, async () => {
      for (const tty of [false, true]) {
        // It stays until all of its output is there: 0.138.0 has lost some of what came right before an end.
        const script = `${tty ? "stty raw -echo; " : ""}echo ready; head -c ${bytes.length}; echo all; exec head -c 1`;
        const child = await t.start(script, { tty, pipeStdin: true });
        await child.says("ready");
        await child.write(bytes);
        await child.says("all\n");
        await child.write("x");
        const told = await child.closed();
        const echoed = told.bytes.subarray(told.bytes.indexOf("\n") + 1);
        expect(echoed.equals(Buffer.concat([bytes, Buffer.from("all\nx")]))).toBe(true);
      }
    });
  }
});

suite("bursts", { peerTransports: ["stdio"] }, (t) => {
  for (const tty of [false, true]) {
    verifies(
      "bytes: a burst of 64 MiB is whole",
      tty ? "by terminal" : "by pipe",
      async () => {
        const path = join(t.folder.work, "burst");
        const block = randomBytes(1024 * 1024);
        const bytes = Buffer.concat(Array.from({ length: BURST / block.length }, () => block));
        for (let i = 0; i < bytes.length; i += block.length) bytes.writeUInt32BE(i, i);
        writeFileSync(path, bytes);
        // A client of its own, whose memory goes with it.
        const client = await t.fresh();
        const child = new RawProcess(client);
        const hash = createHash("sha256");
        let [length, next, gaps] = [0, 1, 0];
        const { promise, resolve } = Promise.withResolvers<void>();
        const waiting = new Map<number, Buffer | null>();
        client.route.set(child.id, (method, { seq, chunk }) => {
          waiting.set(seq, method === "process/output" ? Buffer.from(chunk, "base64") : null);
          if (seq !== next) gaps++;
          for (let piece = waiting.get(next); piece !== undefined; piece = waiting.get(next)) {
            waiting.delete(next++);
            if (!piece) continue;
            hash.update(piece);
            length += piece.length;
          }
          if (method === "process/closed") resolve();
        });
        await child.start(t.params(`${tty ? "stty raw -echo; " : ""}cat ${path}`, { tty }));
        await within(25_000, () => `closing: ${length} bytes so far`, promise);
        await client.until(() => waiting.size === 0);
        expect(length).toBe(BURST);
        expect(hash.digest("hex")).toBe(sha256(bytes));
        if (t.ours) expect(gaps).toBe(0);
      },
      60_000,
    );
  }
});
