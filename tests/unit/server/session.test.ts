import { afterEach, describe, expect, setSystemTime, spyOn, test } from "bun:test";
import { channelPair } from "../../../lib/jsonrpc/channel.ts";
import { Peer } from "../../../lib/jsonrpc/peer.ts";
import { RpcError } from "../../../lib/protocol/errors.ts";
import { handshakes, ServerConnection } from "../../../lib/server/connection.ts";
import type { Attachment, Session, SessionStore } from "../../../lib/server/session.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeRuntime } from "../process/fake_runtime.ts";
import { serverParts, sessionStore } from "./support.ts";

const WAIT_MS = 5000;
const start = { processId: "p", argv: ["/bin/x"], cwd: "/", env: {}, tty: false };

interface FakeAttachment extends Attachment {
  sent: string[];
  probes: number[];
}

function attachment(): FakeAttachment {
  const sent: string[] = [];
  const probes: number[] = [];
  return {
    sent,
    probes,
    send: (text) => sent.push(text),
    sendBase64: (head, bytes, tail) => sent.push(head + bytes.toBase64() + tail),
    ready: () => undefined,
    probe: (ms) => probes.push(ms),
    takenOver: () => void sent.push("taken over"),
  };
}

const stores: SessionStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await within(WAIT_MS, "end of the sessions", store.dispose());
});

function makeStore(detachedMs: number): { store: SessionStore; fake: FakeRuntime } {
  const fake = new FakeRuntime();
  fake.mortal = true;
  const store = sessionStore(fake.runtime, detachedMs);
  stores.push(store);
  return { store, fake };
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

function known(store: SessionStore, session: Session): boolean {
  try {
    store.resume(session.id, attachment());
    return true;
  } catch {
    return false;
  }
}

describe("sessions", () => {
  test("have lower-case UUIDs of version 4, each its own", () => {
    const { store } = makeStore(1000);
    const ids = [1, 2, 3].map(() => store.create(attachment()).id);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(3);
  });

  test("that are detached can be resumed by exactly their id, and keep their processes", () => {
    const { store, fake } = makeStore(60_000);
    const session = store.create(attachment());
    session.processes["process/start"](start);
    store.detach(session, session.attachment!);
    for (const id of [session.id.toUpperCase(), ` ${session.id}`, "", "x"]) {
      expect(refusalOf(() => store.resume(id, attachment()))).toEqual([-32600, `unknown session id ${id}`]);
    }
    expect(store.resume(session.id, attachment())).toBe(session);
    expect(session.attached).toBe(true);
    expect(fake.last.signals).toEqual([]);
    expect(refusalOf(() => session.processes["process/start"](start))[0]).toBe(-32600);
  });

  test("that are attached are refused with -32010, and the client that has them is looked after", () => {
    const { store } = makeStore(60_000);
    const first = attachment();
    const session = store.create(first);
    expect(refusalOf(() => store.resume(session.id, attachment()))).toEqual([
      -32010,
      `session ${session.id} is already attached to another connection`,
    ]);
    expect(first.probes).toEqual([2000]);
    expect(session.attached).toBe(true);
  });

  test("can be taken over: who had them is told, and takes nothing along when it goes", async () => {
    const { store } = makeStore(60_000);
    const [first, second] = [attachment(), attachment()];
    const session = store.create(first);
    session.processes["process/start"](start);
    const read = session.processes["process/read"]({ processId: "p", waitMs: 60_000 }) as Promise<unknown>;
    expect(store.resume(session.id, second, { takesOver: true })).toBe(session);
    expect(first.sent).toEqual(["taken over"]);
    await expect(within(WAIT_MS, "the read", read)).rejects.toMatchObject({
      code: -32600,
      message: "session has been resumed by another connection",
    });
    store.detach(session, first);
    expect([session.attachment, session.expiresAt]).toEqual([second, Number.POSITIVE_INFINITY]);
    expect(refusalOf(() => store.resume("x", first, { takesOver: true }))[0]).toBe(-32600);
  });

  test("speak to who is attached, and to nobody meanwhile", async () => {
    const { store, fake } = makeStore(60_000);
    const [first, second] = [attachment(), attachment()];
    const session = store.create(first);
    session.processes["process/start"]({ ...start, processId: 'p"1' });
    fake.last.stdout.push("a");
    await until(WAIT_MS, "output", () => first.sent.length === 1);
    store.detach(session, session.attachment!);
    fake.last.stdout.push("b");
    await until(
      WAIT_MS,
      "output",
      () => (session.processes["process/read"]({ processId: 'p"1' }) as { nextSeq: number }).nextSeq === 3,
    );
    store.resume(session.id, second);
    fake.last.stderr!.push("c");
    fake.last.end({ code: 3, signal: null });
    await until(WAIT_MS, "closed", () => second.sent.length >= 3);
    const all = [...first.sent, ...second.sent].map((text) => JSON.parse(text));
    expect(all[0]).toEqual({
      method: "process/output",
      params: { processId: 'p"1', seq: 1, stream: "stdout", chunk: "YQ==" },
    });
    const exited = all.find(({ method }) => method === "process/exited");
    expect(exited.params).toEqual({
      processId: 'p"1',
      seq: exited.params.seq,
      exitCode: 3,
      sandboxDenied: false,
    });
    expect(all.at(-1)).toEqual({ method: "process/closed", params: { processId: 'p"1', seq: 5 } });
    expect(second.sent.some((text) => text.includes('"seq":2,"stream"'))).toBe(false);
  });

  test("expire after the time given, with all their processes, and the next detach begins the time again", async () => {
    const { store, fake } = makeStore(80);
    const session = store.create(attachment());
    session.processes["process/start"](start);
    for (let i = 0; i < 3; i++) {
      store.detach(session, session.attachment!);
      await Bun.sleep(30);
      store.resume(session.id, attachment());
    }
    await Bun.sleep(120);
    expect(fake.last.signals).toEqual([]);
    const from = performance.now();
    store.detach(session, session.attachment!);
    await until(WAIT_MS, "end", () => fake.last.signals.length > 0);
    expect(performance.now() - from).toBeGreaterThanOrEqual(75);
    await until(WAIT_MS, "end", () => fake.last.signals.length > 0);
    expect(fake.last.signals).toEqual([15]);
    expect(known(store, session)).toBe(false);
  });

  test("expire by the time that has passed, whatever the clock on the wall says", async () => {
    const { store } = makeStore(100);
    const day = 24 * 3600 * 1000;
    try {
      for (const jumpMs of [day, -day]) {
        const session = store.create(attachment());
        store.detach(session, session.attachment!);
        const from = performance.now();
        setSystemTime(new Date(Date.now() + jumpMs));
        await Bun.sleep(40);
        if (performance.now() - from < 90) expect(known(store, session)).toBe(true);
        store.detach(session, session.attachment!);
        setSystemTime(new Date(Date.now() + jumpMs));
        await Bun.sleep(130);
        expect(known(store, session)).toBe(false);
      }
    } finally {
      setSystemTime();
    }
  });

  test("are over at the boundary, also when the timer is late", async () => {
    const { store, fake } = makeStore(60_000);
    const [late, early] = [store.create(attachment()), store.create(attachment())];
    for (const session of [late, early]) {
      session.processes["process/start"](start);
      store.detach(session, session.attachment!);
    }
    const now = spyOn(performance, "now");
    try {
      now.mockReturnValue(early.expiresAt - 1);
      expect(known(store, early)).toBe(true);
      now.mockReturnValue(late.expiresAt);
      expect(refusalOf(() => store.resume(late.id, attachment()))).toEqual([
        -32600,
        `unknown session id ${late.id}`,
      ]);
    } finally {
      now.mockRestore();
    }
    await until(WAIT_MS, "end", () => fake.children[0]!.signals.length > 0);
    expect(fake.children.map(({ signals }) => signals.length > 0)).toEqual([true, false]);
  });

  test("with a time of 0 end with their connection", async () => {
    const { store, fake } = makeStore(0);
    const session = store.create(attachment());
    session.processes["process/start"](start);
    store.detach(session, session.attachment!);
    await until(WAIT_MS, "end", () => fake.last.signals.length > 0);
    expect(fake.last.signals).toEqual([15]);
    expect(known(store, session)).toBe(false);
  });

  test("that are ending are waited for by the end of the store", async () => {
    const { store, fake } = makeStore(0);
    fake.mortal = false;
    const session = store.create(attachment());
    session.processes["process/start"](start);
    store.detach(session, session.attachment!);
    let over = false;
    const end = store.dispose().then(() => {
      over = true;
    });
    await Bun.sleep(5);
    expect([over, fake.last.signals]).toEqual([false, [15]]);
    fake.last.end({ code: 0, signal: null });
    await within(WAIT_MS, "end", end);
  });

  test("are not ended at once by a time that timers do not take", async () => {
    const { store } = makeStore(2 ** 40);
    const session = store.create(attachment());
    store.detach(session, session.attachment!);
    await Bun.sleep(20);
    expect(known(store, session)).toBe(true);
  });

  test("all end with the store, which waits for the children", async () => {
    const { store, fake } = makeStore(60_000);
    fake.mortal = false;
    const [attached, detached] = [store.create(attachment()), store.create(attachment())];
    for (const session of [attached, detached]) session.processes["process/start"](start);
    store.detach(detached, detached.attachment!);
    let over = false;
    const end = store.dispose().then(() => {
      over = true;
    });
    await Bun.sleep(5);
    expect([over, ...fake.children.map(({ signals }) => signals)]).toEqual([false, [15], [15]]);
    for (const child of fake.children) child.end({ code: null, signal: 9 });
    await within(WAIT_MS, "end", end);
    expect([known(store, attached), known(store, detached)]).toEqual([false, false]);
  });
});

describe("a connection", () => {
  function connect(
    store: SessionStore,
    handshakeMs?: number,
  ): { peer: Peer; closes: string[]; told: string[] } {
    const [client, server] = channelPair("exec-server test");
    const closes: string[] = [];
    const told: string[] = [];
    new ServerConnection(server, {
      sessions: store,
      ...serverParts(),
      handshakes: handshakes(handshakeMs),
      onClose: (_, { kind, message }) => closes.push(`${kind} ${message}`),
    });
    const peer = new Peer(client, {
      request: () => null,
      notification: (method) => void told.push(method),
      unmatched: () => {},
      closed: () => {},
    });
    peer.open();
    return { peer, closes, told };
  }

  async function refusal(call: Promise<unknown>): Promise<[number, string]> {
    const error = await within(
      WAIT_MS,
      "refusal",
      call.then(
        () => expect.unreachable(),
        (fault) => fault,
      ),
    );
    return [error.code, error.message];
  }

  const hello = { clientName: "test" };

  test("wants the handshake first, after it has looked at the method and the parameters", async () => {
    const { store } = makeStore(0);
    const { peer } = connect(store);
    const gated: [string, unknown, string][] = [
      ["environment/info", null, "environment info"],
      ["environment/status", null, "environment status"],
      ["process/start", start, "exec"],
      ["process/terminate", { processId: "p" }, "exec"],
    ];
    for (const [method, params, gate] of gated) {
      expect(await refusal(peer.call(method, params))).toEqual([
        -32600,
        `client must call initialize before using ${gate} methods`,
      ]);
    }
    for (const method of ["nothing/like/it", "initialized", "constructor", "__proto__", "process/consumed"]) {
      expect(await refusal(peer.call(method, null))).toEqual([
        -32601,
        `exec-server stub does not implement \`${method}\` yet`,
      ]);
    }
    expect((await refusal(peer.call("process/read", {})))[0]).toBe(-32602);
    expect(await refusal(peer.call("initialize", {}))).toEqual([-32602, "missing field `clientName`"]);
    expect((await refusal(peer.call("initialize", { ...hello, resumeSessionId: "x" })))[0]).toBe(-32600);
    const answer = (await peer.call("initialize", hello)) as { sessionId: string; environmentInfo: object };
    expect(answer.sessionId).toHaveLength(36);
    expect(answer.environmentInfo).toHaveProperty("executorVersion");
    for (const [method, params, gate] of gated) {
      expect(await refusal(peer.call(method, params))).toEqual([
        -32600,
        `client must send initialized before using ${gate} methods`,
      ]);
    }
    expect(await refusal(peer.call("initialize", hello))).toEqual([
      -32600,
      "initialize may only be sent once per connection",
    ]);
    peer.notify("initialized", { any: 1 });
    peer.notify("initialized", undefined);
    expect(await peer.call("environment/status", {})).toEqual({ status: "ready" });
    peer.close({ kind: "normal", message: "" });
  });

  const closing: [string, string, unknown, boolean][] = [
    ["initialized before initialize", "initialized", {}, false],
    ["a notification that is not known", "process/output", {}, true],
    ["initialize as a notification", "initialize", hello, false],
    ["process/consumed before the handshake", "process/consumed", { processId: "p", seq: 1 }, false],
    ["process/consumed that does not decode", "process/consumed", { processId: "p" }, true],
  ];
  for (const [what, method, params, afterwards] of closing) {
    test(`is closed by ${what}`, async () => {
      const { store } = makeStore(0);
      const { peer, closes } = connect(store);
      if (afterwards) await peer.call("initialize", hello);
      peer.notify(method, params);
      await until(WAIT_MS, "close", () => closes.length === 1);
      expect(closes[0]).toStartWith("protocol ");
    });
  }

  test("is closed by an answer to nothing, but not by a notification of `$/`", async () => {
    const { store } = makeStore(0);
    const { peer, closes } = connect(store);
    peer.notify("$/cancelRequest", { id: 1 });
    await peer.call("initialize", hello);
    expect(closes).toEqual([]);
    peer.send('{"id":1,"result":null}');
    await until(WAIT_MS, "close", () => closes.length === 1);
  });

  test("without a handshake in time is closed; with one it stays", async () => {
    const { store } = makeStore(0);
    const late = connect(store, 30);
    const done = connect(store, 30);
    await done.peer.call("initialize", hello);
    done.peer.notify("initialized", {});
    await until(WAIT_MS, "close", () => late.closes.length === 1);
    expect(late.closes).toEqual(["timeout No handshake within 30 ms"]);
    expect(await done.peer.call("environment/status", null)).toEqual({ status: "ready" });
    done.peer.close({ kind: "normal", message: "" });
  });

  test("that ends leaves its session to the next one", async () => {
    const { store, fake } = makeStore(60_000);
    const first = connect(store);
    const { sessionId } = (await first.peer.call("initialize", hello)) as { sessionId: string };
    first.peer.notify("initialized", {});
    await first.peer.call("process/start", start);
    const second = connect(store);
    expect((await refusal(second.peer.call("initialize", { ...hello, resumeSessionId: sessionId })))[0]).toBe(
      -32010,
    );
    first.peer.close({ kind: "normal", message: "" });
    await until(WAIT_MS, "close", () => first.closes.length === 1);
    expect(await second.peer.call("initialize", { ...hello, resumeSessionId: sessionId })).toMatchObject({
      sessionId,
    });
    // Notifications flow from here on, requests wait for `initialized`.
    fake.last.stdout.push("x");
    await until(WAIT_MS, "output", () => second.told.includes("process/output"));
    expect((await refusal(second.peer.call("process/read", { processId: "p" })))[0]).toBe(-32600);
    second.peer.notify("initialized", {});
    expect(await second.peer.call("process/read", { processId: "p" })).toMatchObject({
      chunks: [{ seq: 1, stream: "stdout", chunk: "eA==" }],
      nextSeq: 2,
    });
    second.peer.close({ kind: "normal", message: "" });
    await until(WAIT_MS, "close", () => second.closes.length === 1);
  });
});
