/** `process/write`. */

import { expect } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { until } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { RawProcess } from "../support/raw_process.ts";

const chunk = (text: string): string => Buffer.from(text).toString("base64");

suite("write", { peerTransports: ["stdio"] }, (t) => {
  const raw = async (params: object): Promise<unknown> => {
    const { result, error } = await (await t.client()).ask("process/write", params);
    return error ? error.code : result.status;
  };

  verifies("process/write: says what became of the bytes", async () => {
    expect(await raw({ processId: "none", chunk: chunk("x"), writeId: "1" })).toBe("unknownProcess");
    const closed = await t.start("exec sleep 100");
    expect(await closed.write("x")).toBe("stdinClosed");
    await closed.end();
    expect(await closed.write("x")).toBe("stdinClosed");
    const open = await t.start("read line; echo got $line; exit 0", { pipeStdin: true });
    expect(await open.write("")).toBe("accepted");
    expect(await open.write("one\n")).toBe("accepted");
    expect((await open.closed()).stdout).toBe("got one\n");
    t.same("write after the exit", await open.write("two\n"), "stdinClosed");
  });

  verifies("process/write: says stdinClosed once the child has closed its input", async () => {
    if (!t.ours) return;
    const child = await t.start("exec <&-; echo closed; exec sleep 100", { pipeStdin: true });
    await child.says("closed");
    await until(3000, "stdinClosed", async () => (await child.write("x")) === "stdinClosed");
    await child.end();
  });

  verifies("process/write: base64 is the standard alphabet with padding", async () => {
    const child = await t.start(["/bin/cat"], { pipeStdin: true });
    let writeId = 100;
    const send = (text: unknown): Promise<unknown> =>
      raw({ processId: child.id, chunk: text, writeId: `${++writeId}` });
    for (const bad of [
      "YQ",
      "YQ=",
      "YQ===",
      "Y",
      "=",
      "_w==",
      "-w==",
      "YR==",
      "YQ==\n",
      "Y Q==",
      "YQ==YQ==",
      5,
      null,
    ]) {
      expect({ bad, got: await send(bad) }).toEqual({ bad, got: -32602 });
    }
    expect(await send("+/8=")).toBe("accepted");
    await child.client.until(() => child.output().length === 2);
    expect([...child.output()]).toEqual([0xfb, 0xff]);
    await child.end();
  });

  verifies("process/write: a repeated writeId is accepted and not written again", async () => {
    const child = await t.start(["/bin/cat"], { pipeStdin: true });
    const { id: processId } = child;
    for (const writeId of ["a", "a", "b", "a", "b"]) {
      expect(await raw({ processId, chunk: chunk(`${writeId}\n`), writeId })).toBe("accepted");
    }
    expect(await raw({ processId, chunk: chunk("end\n"), writeId: "end" })).toBe("accepted");
    await child.says("end");
    t.same("repeated writeId", child.text, "a\nb\nend\n");
    await child.end();
  });

  verifies("process/write: writeId is optional, and not empty", async () => {
    const child = await t.start(["/bin/cat"], { pipeStdin: true });
    const { id: processId } = child;
    t.same("no writeId", await raw({ processId, chunk: chunk("x") }), "accepted");
    t.same("empty writeId", await raw({ processId, chunk: chunk("x"), writeId: "" }), -32602);
    // Looked at before the process is.
    t.same(
      "empty writeId, no process",
      await raw({ processId: "none", chunk: chunk("x"), writeId: "" }),
      -32602,
    );
    await child.end();
  });

  verifies("process/write: 5 MB arrive as they are", async () => {
    const bytes = randomBytes(5_000_000);
    const child = await t.start(`head -c ${bytes.length} | sha256sum`, { pipeStdin: true });
    expect(await child.write(bytes, 20_000)).toBe("accepted");
    const hash = createHash("sha256").update(bytes).digest("hex");
    expect((await child.closed(20_000)).stdout).toBe(`${hash}  -\n`);
  });

  verifies("process/write: pipelined writes arrive in order", async () => {
    for (const tty of [false, true]) {
      const script = tty ? "stty raw -echo; echo ready; exec cat" : "echo ready; exec cat";
      const child = await t.start(script, { pipeStdin: true, tty });
      await child.says("ready");
      const { client, id: processId } = child;
      const ids = Array.from({ length: 200 }, (_, i) =>
        client.post("process/write", { processId, chunk: chunk(`line ${i}\n`), writeId: `w${i}` }),
      );
      for (const id of ids) expect((await client.answer(id)).result.status).toBe("accepted");
      await child.says("line 199\n");
      const got = child.text.slice(child.text.indexOf("line 0"));
      expect(got).toBe(Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join(""));
      await child.end();
    }
  });

  verifies("process/write: start, write and terminate may be sent without waiting", async () => {
    const client = await t.client();
    const child = new RawProcess(client);
    const { id: processId } = child;
    const params = t.params("read line; echo got $line; exec sleep 100", { pipeStdin: true });
    client.send({ id: "start", method: "process/start", params: { processId, ...params } });
    client.send({
      id: "write",
      method: "process/write",
      params: { processId, chunk: chunk("on\n"), writeId: "1" },
    });
    client.send({ id: "read", method: "process/read", params: { processId, waitMs: 5000 } });
    expect((await client.answer("start")).result.processId).toBe(processId);
    expect((await client.answer("write")).result.status).toBe("accepted");
    const read = await client.answer("read");
    expect(Buffer.from(read.result.chunks[0].chunk, "base64").toString()).toBe("got on\n");
    client.send({ id: "a", method: "process/terminate", params: { processId } });
    client.send({ id: "b", method: "process/write", params: { processId, chunk: chunk("x"), writeId: "2" } });
    expect((await client.answer("a")).result).toEqual({ running: true });
    await client.answer("b");
    await child.closed();
  });
});
