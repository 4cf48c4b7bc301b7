/** Messages: shapes, ids, and what is answered to what is none. */

import { expect } from "bun:test";
import { within } from "../support/deadline.ts";
import type { differences } from "../support/differences.ts";
import { type Harness, suite, verifies } from "../support/harness.ts";
import type { Json, RawClient } from "../support/raw_client.ts";

/** What came of an input: the errors and results, then whether the connection lives. */
async function outcome(t: Harness, client: RawClient, input: string | Uint8Array): Promise<string> {
  const seen = client.messages.length;
  client.send(input);
  let then = "stays";
  const nudge = lingers(t) ? setInterval(() => client.send(""), 50) : undefined;
  try {
    client.send({ id: "probe", method: "environment/info" });
    await client.answer("probe");
  } catch (error) {
    if (!client.isClosed) throw error;
    then = "closes";
  } finally {
    clearInterval(nudge);
  }
  return [...client.messages.splice(seen).map(short), then].join(", ");
}

/** The peer over stdio notices its own end only when another line comes. */
function lingers(t: Harness): boolean {
  return !t.ours && t.transport === "stdio";
}

function short(message: Json): string {
  return message.error ? `${message.error.code} id ${JSON.stringify(message.id)}` : `result id ${message.id}`;
}

const malformed = "-32600 id -1, stays";
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const many = (count: number): string =>
  `{"id":1,"method":"x/y","params":[${Array(count).fill("0").join(",")}]}`;
const withId = (id: string): string => `{"id":${id},"method":"environment/info"}`;

interface Row {
  input: string;
  gives: string;
  differs?: keyof typeof differences;
  websocketOnly?: true;
}

const noJson: Record<string, Row> = {
  "a cut object": { input: '{"id":1,', gives: malformed },
  "an empty message": { input: "", gives: malformed, websocketOnly: true },
  "a blank message": { input: "  \t", gives: malformed, websocketOnly: true },
  NaN: { input: '{"id":1,"method":"x","params":NaN}', gives: malformed },
  "a byte order mark": { input: '\ufeff{"id":1,"method":"environment/info"}', gives: malformed },
  "half of a surrogate pair": { input: '{"id":1,"method":"\\ud800"}', gives: malformed },
  "two values": { input: '{"id":1,"method":"a"} {"id":2,"method":"b"}', gives: malformed },
};

const noMessage: Record<string, Row> = {
  "a number": { input: "5", gives: malformed },
  null: { input: "null", gives: malformed },
  "a text": { input: '"x"', gives: malformed },
  "an empty array": { input: "[]", gives: malformed },
  "a batch": { input: '[{"id":1,"method":"environment/info"}]', gives: malformed },
  "an empty object": { input: "{}", gives: malformed },
  "an id alone": { input: '{"id":1}', gives: malformed },
  "a method that is no text": { input: '{"id":1,"method":5}', gives: malformed },
};

const noId: Record<string, Row> = {
  null: { input: withId("null"), gives: malformed, differs: "bad id" },
  "a float": { input: withId("1.5"), gives: malformed, differs: "bad id" },
  "a whole float": { input: withId("1.0"), gives: malformed, differs: "bad id" },
  "a boolean": { input: withId("true"), gives: malformed, differs: "bad id" },
  "an object": { input: withId("{}"), gives: malformed, differs: "bad id" },
  "above 64 bits": { input: withId("9223372036854775808"), gives: malformed, differs: "bad id" },
  "twice there": { input: '{"id":1,"id":2,"method":"x"}', gives: malformed, differs: "repeated id" },
  "with a bad trace": {
    input: '{"id":1,"method":"environment/info","trace":5}',
    gives: malformed,
    differs: "bad id",
  },
};

const tooMuch: Record<string, Row> = {
  "126 levels are taken": {
    input: `{"id":1,"method":"x/y","params":${nested(126)}}`,
    gives: "-32601 id 1, stays",
  },
  "127 levels are not": { input: `{"id":1,"method":"x/y","params":${nested(127)}}`, gives: malformed },
  "100,000 levels are not": {
    input: `{"id":1,"method":"x/y","params":${nested(100_000)}}`,
    gives: malformed,
  },
  "262,140 values are taken": { input: many(262_140), gives: "-32601 id 1, stays" },
  "262,144 values are not": { input: many(262_144), gives: malformed, differs: "value limit" },
  "a repeated key is taken": {
    input: '{"id":1,"method":"x/y","params":{"a":1,"a":2}}',
    gives: "-32601 id 1, stays",
    differs: "repeated key",
  },
};

const closing: Record<string, Row> = {
  "an unknown notification": { input: '{"method":"process/unknown"}', gives: "closes" },
  "a notification of the server": { input: '{"method":"process/closed","params":{}}', gives: "closes" },
  "initialize without an id": { input: '{"method":"initialize","params":{}}', gives: "closes" },
  "a result that nobody waits for": { input: '{"id":99,"result":{}}', gives: "closes" },
  "an error that nobody waits for": {
    input: '{"id":99,"error":{"code":-1,"message":"x"}}',
    gives: "closes",
  },
  "$/cancelRequest": {
    input: '{"method":"$/cancelRequest","params":{"id":1}}',
    gives: "stays",
    differs: "$/ notification",
  },
};

suite("envelope", {}, (t) => {
  const rows = (
    id: Parameters<typeof verifies>[0],
    table: Record<string, Row>,
    open: () => Promise<RawClient>,
  ): void => {
    for (const [name, row] of Object.entries(table)) {
      if (row.websocketOnly && t.transport !== "websocket") continue;
      verifies(id, name, async () => {
        const actual = await outcome(t, await open(), row.input);
        if (row.differs) t.same(row.differs, actual, row.gives);
        else expect(actual).toBe(row.gives);
      });
    }
  };
  rows("faults: what is no JSON is answered with id -1", noJson, () => t.client());
  rows("faults: what is no message is answered with id -1", noMessage, () => t.client());
  rows("faults: an id that is none is answered with id -1", noId, () => t.client());
  rows("faults: nesting and values are limited", tooMuch, () => t.client());
  rows("faults: a notification or an answer out of place closes", closing, () => t.fresh());

  verifies("faults: what is no JSON is answered with id -1", "in the words of the peer", async () => {
    const client = await t.client();
    client.send("{nope");
    const { error } = await client.answer(-1);
    const start =
      t.transport === "websocket"
        ? /^failed to parse websocket JSON-RPC message from exec-server websocket 127\.0\.0\.1:\d+: ./
        : /^failed to parse JSON-RPC message from exec-server stdio: ./;
    expect(error.message).toMatch(start);
    expect(Object.keys(error).sort()).toEqual(["code", "message"]);
  });

  verifies("faults: an unknown method is named in the answer", async () => {
    const client = await t.client();
    for (const method of ["no/such", "initialized", "", "toString", "__proto__", "x".repeat(100_000)]) {
      const { error } = await client.ask(method, {});
      expect(error).toEqual({
        code: -32601,
        message: `exec-server stub does not implement \`${method}\` yet`,
      });
    }
  });

  verifies("envelope: ids come back as they were", async () => {
    const client = await t.client();
    const ids = ['"a"', '""', '"1"', "0", "-1", "-7", "9007199254740993", "9223372036854775807"];
    for (const id of [...ids, "-9223372036854775808", '"\\u0000\\"é"']) {
      const seen = client.texts.length;
      client.send(`{"method":"environment/info","params":null, "id" : ${id} }`);
      await client.until(() => client.texts.length > seen);
      const text = client.texts.splice(seen)[0]!;
      client.messages.splice(seen);
      const found = /"id":("(?:[^"\\]|\\.)*"|-?\d+)/.exec(text)![1]!;
      if (id.startsWith('"')) expect(JSON.parse(found)).toBe(JSON.parse(id));
      else expect(found).toBe(id);
    }
  });

  verifies("envelope: an id in flight twice is answered twice", async () => {
    const client = await t.client();
    client.send(withId("7"));
    client.send(withId("7"));
    await client.answer(7);
    await client.answer(7);
  });

  verifies("envelope: jsonrpc is never sent and never looked at", async () => {
    const client = await t.client();
    client.send('{"jsonrpc":"1.0","id":1,"method":"environment/info"}');
    const answer = await client.answer(1);
    expect(Object.keys(answer).sort()).toEqual(["id", "result"]);
    await t.run("echo x");
    for (const message of client.messages) expect(message).not.toHaveProperty("jsonrpc");
  });

  verifies("envelope: unknown members are ignored", async () => {
    const client = await t.client();
    client.send('{"id":1,"method":"environment/info","more":[1],"trace":{"traceparent":"00-1-2-3"}}');
    expect(await client.answer(1)).toHaveProperty("result");
    client.send('{"id":2,"method":"environment/info","trace":null}');
    expect(await client.answer(2)).toHaveProperty("result");
    const told = await t.run("echo x", { notInTheProtocol: { a: 1 } });
    expect(told.stdout).toBe("x\n");
  });

  verifies("envelope: a method without parameters takes none, null and {}", async () => {
    const client = await t.client();
    client.send('{"id":1,"method":"environment/info"}');
    expect(await client.answer(1)).toHaveProperty("result");
    expect(await client.ask("environment/info", null)).toHaveProperty("result");
    expect(await client.ask("environment/info", {})).toHaveProperty("result");
    for (const wrong of [[], "x", { a: 1 }, 5]) {
      expect((await client.ask("environment/info", wrong)).error.code).toBe(-32602);
    }
  });

  verifies("faults: parameters that do not decode are -32602", async () => {
    const client = await t.client();
    const code = async (method: string, params: unknown): Promise<number> =>
      (await client.ask(method, params)).error.code;
    expect((await client.ask("process/read", {})).error).toEqual({
      code: -32602,
      message: "missing field `processId`",
    });
    const wrong = await client.ask("process/read", { processId: 5 });
    expect(wrong.error.message).toContain("expected a string");
    for (const params of [undefined, null, "x", 5]) expect(await code("process/read", params)).toBe(-32602);
    for (const bad of [{ afterSeq: -1 }, { afterSeq: "1" }, { waitMs: 1.5 }, { maxBytes: true }]) {
      expect(await code("process/read", { processId: "x", ...bad })).toBe(-32602);
    }
  });
});

suite("handshake", {}, (t) => {
  const fresh = (): Promise<RawClient> => t.fresh({ initialize: false });
  const hello = { clientName: "raw" };
  const exec = "process/terminate";
  const params = { processId: "none" };

  verifies("handshake: a request before initialize is refused", async () => {
    const client = await fresh();
    const message = "client must call initialize before using exec methods";
    expect((await client.ask(exec, params)).error).toEqual({ code: -32600, message });
    expect((await client.ask("environment/info")).error).toEqual({
      code: -32600,
      message: "client must call initialize before using environment info methods",
    });
    expect(await (await client.initialize()).call(exec, params)).toEqual({ running: false });
  });

  verifies("handshake: a request between initialize and initialized is refused", async () => {
    const client = await fresh();
    await client.call("initialize", hello);
    const message = "client must send initialized before using exec methods";
    expect((await client.ask(exec, params)).error).toEqual({ code: -32600, message });
    client.notify("initialized");
    expect(await client.call(exec, params)).toEqual({ running: false });
  });

  verifies("handshake: parameters are looked at before the order", async () => {
    const client = await fresh();
    expect((await client.ask(exec, {})).error.code).toBe(-32602);
    expect((await client.ask("no/such", {})).error.code).toBe(-32601);
  });

  verifies("handshake: a second initialize is refused", async () => {
    const client = await fresh();
    await client.initialize();
    expect((await client.ask("initialize", hello)).error).toEqual({
      code: -32600,
      message: "initialize may only be sent once per connection",
    });
    expect(await client.call(exec, params)).toEqual({ running: false });
  });

  verifies("handshake: a failed initialize may be tried again", async () => {
    const client = await fresh();
    for (const wrong of [{}, { clientName: 5 }, { ...hello, resumeSessionId: 5 }]) {
      expect((await client.ask("initialize", wrong)).error.code).toBe(-32602);
    }
    const unknown = await client.ask("initialize", { ...hello, resumeSessionId: "none" });
    expect(unknown.error).toEqual({ code: -32600, message: "unknown session id none" });
    const empty = await client.ask("initialize", { ...hello, resumeSessionId: "" });
    expect(empty.error).toEqual({ code: -32600, message: "unknown session id " });
    expect(await (await client.initialize()).call(exec, params)).toEqual({ running: false });
  });

  verifies("handshake: initialized before initialize closes", async () => {
    const client = await fresh();
    client.notify("initialized");
    const nudge = lingers(t) ? setInterval(() => client.send(""), 50) : undefined;
    await within(8000, "end of the connection", client.closed);
    clearInterval(nudge);
  });

  verifies("handshake: initialized may come again, with anything", async () => {
    const client = await fresh();
    await client.initialize();
    for (const anything of [undefined, null, [], "x", { a: 1 }]) client.notify("initialized", anything);
    expect(await client.call(exec, params)).toEqual({ running: false });
  });

  verifies("handshake: the answer has a session id and, of recent servers, what the machine is", async () => {
    const client = await fresh();
    const result = await client.call("initialize", { clientName: "", resumeSessionId: null });
    expect(result.sessionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    client.notify("initialized", {});
    // What confines processes is tried out first, for which a handshake does not wait.
    const { sandbox, ...info } = await client.call("environment/info");
    expect(typeof sandbox).toBe(t.ours ? "object" : "undefined");
    t.same("environmentInfo", result.environmentInfo, info);
  });

  verifies("methods: those of the table are known, others are not", async () => {
    const client = await t.client();
    const known = async (method: string): Promise<boolean> =>
      (await client.ask(method, 5)).error.code !== -32601;
    const common = ["initialize", "process/start", "process/read", "process/write", "process/terminate"];
    for (const method of [...common, "environment/info"]) expect(await known(method)).toBe(true);
    t.same("method process/signal", await known("process/signal"), true);
    t.same("method environment/status", await known("environment/status"), true);
    t.same("method process/resize", await known("process/resize"), true);
    t.same("method process/list", await known("process/list"), true);
    t.same("method process/attach", await known("process/attach"), true);
    t.same("method process/detach", await known("process/detach"), true);
    t.same("method process/closeStdin", await known("process/closeStdin"), true);
    expect(await known("http/request")).toBe(true);
    t.same("method http/request/cancel", await known("http/request/cancel"), true);
  });

  verifies("environment/status: says ready", async () => {
    const answer = await (await t.client()).ask("environment/status", null);
    t.same("environment/status", answer.result, { status: "ready" });
  });
});
