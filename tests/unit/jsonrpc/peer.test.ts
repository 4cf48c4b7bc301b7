import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Channel, type CloseReason, channelPair } from "../../../lib/jsonrpc/channel.ts";
import { Peer, type PeerHandlers, ProtocolViolation } from "../../../lib/jsonrpc/peer.ts";
import { ExecServerError, RpcError } from "../../../lib/protocol/errors.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeChannel } from "./fake_channel.ts";

const WAIT_MS = 5000;
const lost: CloseReason = { kind: "lost", message: "the cable was cut" };

function openPeer(handlers: Partial<PeerHandlers> = {}): {
  peer: Peer;
  channel: FakeChannel;
  closes: CloseReason[];
} {
  const channel = new FakeChannel();
  const closes: CloseReason[] = [];
  const peer = new Peer(channel, {
    request: () => null,
    notification: () => {},
    unmatched: () => {},
    closed: (reason) => closes.push(reason),
    ...handlers,
  });
  peer.open();
  return { peer, channel, closes };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => error,
    ),
  );
}

describe("calls", () => {
  test("have ids from 1, and answers find them in any order", async () => {
    const { peer, channel } = openPeer();
    const [a, b, c] = [peer.call("a", { x: 1 }), peer.call("b", null), peer.call("c", undefined)];
    expect(channel.sent).toEqual([
      '{"id":1,"method":"a","params":{"x":1}}',
      '{"id":2,"method":"b","params":null}',
      '{"id":3,"method":"c"}',
    ]);
    channel.receiver!.message('{"id":3,"result":"third"}');
    channel.receiver!.message('{"id":1,"result":null}');
    channel.receiver!.message('{"result":{"n":2},"id":2}');
    expect(await Promise.all([a, b, c])).toEqual([null, { n: 2 }, "third"]);
  });

  test("two hundred concurrent calls each get their own answer, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...Array(200).keys()], { minLength: 200 }), async (order) => {
        const { peer, channel } = openPeer();
        const calls = order.map((_, i) => peer.call("m", i));
        for (const i of order) channel.receiver!.message(`{"id":${i + 1},"result":${i}}`);
        expect(await Promise.all(calls)).toEqual([...Array(200).keys()]);
      }),
      { numRuns: 5 },
    );
  });

  test("that are longer than a server takes are not sent, by what they are in UTF-8", async () => {
    const { peer, channel } = openPeer();
    for (const text of ["x".repeat(64 * 1024 * 1024), "é".repeat(32 * 1024 * 1024)]) {
      expect(await failureOf(peer.call("m", text))).toMatchObject({ code: "ERR_UNSUPPORTED" });
    }
    expect(channel.sent).toEqual([]);
    // The same number of units.
    peer.call("m", "x".repeat(32 * 1024 * 1024)).catch(() => {});
    expect(channel.sent).toHaveLength(1);
    channel.receiver!.closed(lost);
  });

  test("an error answer rejects with its code, text and data", async () => {
    const { peer, channel } = openPeer();
    const call = peer.call("m", null);
    channel.receiver!.message('{"id":1,"error":{"code":-32010,"message":"attached","data":{"a":1}}}');
    const error = (await failureOf(call)) as RpcError;
    expect(error).toBeInstanceOf(RpcError);
    expect([error.code, error.message, error.data]).toEqual([-32010, "attached", { a: 1 }]);
  });

  test("an answer of another type of id, or to an id that was not given, is unmatched", () => {
    let unmatched = 0;
    const { peer, channel } = openPeer({ unmatched: () => void unmatched++ });
    peer.call("m", null).catch(() => {});
    channel.receiver!.message('{"id":"1","result":1}');
    channel.receiver!.message('{"id":2,"result":1}');
    channel.receiver!.message('{"id":-1,"error":{"code":-32600,"message":"x"}}');
    expect(unmatched).toBe(3);
    channel.close(lost);
  });

  test("a second answer to the same call is unmatched", async () => {
    let unmatched = 0;
    const { peer, channel } = openPeer({ unmatched: () => void unmatched++ });
    const call = peer.call("m", null);
    channel.receiver!.message('{"id":1,"result":1}');
    channel.receiver!.message('{"id":1,"result":2}');
    expect(await call).toBe(1);
    expect(unmatched).toBe(1);
  });

  test("a malformed answer is told to the other side, and the call goes on waiting", async () => {
    const { peer, channel } = openPeer();
    const call = peer.call("m", null);
    for (const text of ['{"id":1}', '{"id":1,"error":"no"}', "]"]) channel.receiver!.message(text);
    expect(channel.messages.slice(1).map(({ id }) => id)).toEqual([-1, -1, -1]);
    channel.receiver!.message('{"id":1,"result":"right"}');
    expect(await call).toBe("right");
  });

  test("parameters that are no JSON reject the call and nothing is sent", async () => {
    const { peer, channel } = openPeer();
    expect(await failureOf(peer.call("m", 1n))).toBeInstanceOf(TypeError);
    expect(channel.sent).toEqual([]);
  });
});

describe("the end of the channel", () => {
  test("rejects every pending call with its method and the reason", async () => {
    const { peer, channel, closes } = openPeer();
    const calls = ["a/b", "c/d"].map((method) => peer.call(method, null));
    const failures = Promise.all(calls.map(failureOf));
    channel.close(lost);
    const errors = (await failures) as ExecServerError[];
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ["ERR_DISCONNECTED", 'Cannot finish "a/b": the cable was cut'],
      ["ERR_DISCONNECTED", 'Cannot finish "c/d": the cable was cut'],
    ]);
    expect(closes).toEqual([lost]);
    expect(peer.closeReason).toEqual(lost);
  });

  test("rejects every later call at once, without a message", async () => {
    const { peer, channel } = openPeer();
    channel.close(lost);
    const error = (await failureOf(peer.call("m", null, { timeoutMs: 60_000 }))) as ExecServerError;
    expect(error).toBeInstanceOf(ExecServerError);
    expect(error.code).toBe("ERR_DISCONNECTED");
    expect(channel.sent).toEqual([]);
  });

  test("the owner is told once, after the calls were rejected, and a call it makes then is rejected too", async () => {
    let late: Promise<unknown> | undefined;
    let count = 0;
    const { peer, channel } = openPeer({
      closed: () => {
        count++;
        late = failureOf(peer.call("late", null));
      },
    });
    channel.close(lost);
    channel.receiver!.closed({ kind: "normal", message: "again" });
    expect(count).toBe(1);
    expect(((await late) as ExecServerError).code).toBe("ERR_DISCONNECTED");
    expect(peer.closeReason).toEqual(lost);
  });
});

describe("limits of a call", () => {
  test("a timeout rejects with ERR_CALL_TIMEOUT, and the answer that comes later is unmatched", async () => {
    let unmatched = 0;
    const { peer, channel } = openPeer({ unmatched: () => void unmatched++ });
    const error = (await failureOf(peer.call("slow", null, { timeoutMs: 10 }))) as ExecServerError;
    expect([error.code, error.message]).toEqual(["ERR_CALL_TIMEOUT", 'No answer to "slow" in 10 ms']);
    channel.receiver!.message('{"id":1,"result":1}');
    expect(unmatched).toBe(1);
  });

  test("a timeout longer than timers take does not fire at once", async () => {
    const { peer, channel } = openPeer();
    const calls = [2 ** 31, 1e12, Number.POSITIVE_INFINITY].map((timeoutMs) =>
      peer.call("m", null, { timeoutMs }),
    );
    await Bun.sleep(20);
    for (const id of [1, 2, 3]) channel.receiver!.message(`{"id":${id},"result":${id}}`);
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
  });

  test("a signal rejects with its reason, before or during the call", async () => {
    const { peer, channel } = openPeer();
    const early = AbortSignal.abort(new Error("before"));
    expect(await failureOf(peer.call("m", null, { signal: early }))).toEqual(new Error("before"));
    expect(channel.sent).toEqual([]);
    const controller = new AbortController();
    const call = failureOf(peer.call("m", null, { signal: controller.signal }));
    controller.abort(new Error("during"));
    expect(await call).toEqual(new Error("during"));
  });

  test("however a call ends, it leaves no timer and no listener", async () => {
    const made: unknown[] = [];
    const cleared: unknown[] = [];
    const { setTimeout: realSet, clearTimeout: realClear } = globalThis;
    const listeners = { added: 0, removed: 0 };
    const signal = new AbortController().signal;
    const aborts = new AbortController();
    for (const one of [signal, aborts.signal]) {
      const { addEventListener, removeEventListener } = one;
      one.addEventListener = (...args: never) => {
        listeners.added++;
        return Reflect.apply(addEventListener, one, args);
      };
      one.removeEventListener = (...args: never) => {
        listeners.removed++;
        return Reflect.apply(removeEventListener, one, args);
      };
    }
    const { peer, channel } = openPeer();
    try {
      globalThis.setTimeout = ((...args: Parameters<typeof realSet>) => {
        const timer = realSet(...args);
        made.push(timer);
        return timer;
      }) as typeof realSet;
      globalThis.clearTimeout = ((timer: never) => {
        cleared.push(timer);
        realClear(timer);
      }) as typeof realClear;
      const limits = { timeoutMs: 60_000, signal };
      const ends = [
        peer.call("answered", null, limits),
        failureOf(peer.call("refused", null, limits)),
        failureOf(peer.call("aborted", null, { timeoutMs: 60_000, signal: aborts.signal })),
        failureOf(peer.call("cut", null, limits)),
      ];
      channel.receiver!.message('{"id":1,"result":1}');
      channel.receiver!.message('{"id":2,"error":{"code":-1,"message":""}}');
      aborts.abort(new Error("no"));
      channel.close(lost);
      await Promise.all(ends);
    } finally {
      globalThis.setTimeout = realSet;
      globalThis.clearTimeout = realClear;
    }
    const left = made.filter((timer) => !cleared.includes(timer));
    // `failureOf` itself has none here that outlives its promise.
    expect(left).toEqual([]);
    expect(listeners).toEqual({ added: 4, removed: 4 });
  });
});

describe("requests that come in", () => {
  test("answers that are there go out at once, in order; others when they come", async () => {
    const waits = new Map<string, PromiseWithResolvers<unknown>>();
    const { channel } = openPeer({
      request: (method, params) => {
        if (!method.startsWith("wait")) return { method, params };
        const wait = Promise.withResolvers<unknown>();
        waits.set(method, wait);
        return wait.promise;
      },
    });
    for (const method of ["wait1", "b", "wait2", "d"]) {
      channel.receiver!.message(JSON.stringify({ id: method, method, params: [1] }));
    }
    expect(channel.messages).toEqual([
      { id: "b", result: { method: "b", params: [1] } },
      { id: "d", result: { method: "d", params: [1] } },
    ]);
    waits.get("wait2")!.resolve(2);
    await until(WAIT_MS, "answer", () => channel.sent.length === 3);
    waits.get("wait1")!.resolve(1);
    await until(WAIT_MS, "answer", () => channel.sent.length === 4);
    expect(channel.messages.slice(2)).toEqual([
      { id: "wait2", result: 2 },
      { id: "wait1", result: 1 },
    ]);
  });

  const faults: [string, unknown, object][] = [
    ["an RpcError", new RpcError(-32602, "wrong"), { code: -32602, message: "wrong" }],
    [
      "an RpcError with data",
      new RpcError(-32603, "no", { errno: 2 }),
      { code: -32603, message: "no", data: { errno: 2 } },
    ],
    ["another error", new TypeError("oops"), { code: -32603, message: "oops" }],
    ["a text", "plain", { code: -32603, message: "plain" }],
  ];
  for (const [what, fault, error] of faults) {
    test(`a handler that throws ${what}, or rejects with it, answers an error`, async () => {
      const { channel } = openPeer({
        request: (method) => {
          if (method === "rejects") return Promise.reject(fault);
          throw fault;
        },
      });
      channel.receiver!.message('{"id":1,"method":"throws"}');
      channel.receiver!.message('{"id":2,"method":"rejects"}');
      await until(WAIT_MS, "answers", () => channel.sent.length === 2);
      expect(channel.messages).toEqual([
        { id: 1, error },
        { id: 2, error },
      ] as never);
      expect(channel.calls).toEqual([]);
    });
  }

  test("a malformed message is answered with id -1 and the channel lives on", () => {
    const { channel } = openPeer();
    channel.receiver!.message("nonsense");
    channel.receiver!.undecodable("the message is not UTF-8");
    channel.label = "exec-server websocket 127.0.0.1:1";
    channel.receiver!.message("[]");
    expect(channel.messages).toEqual([
      {
        id: -1,
        error: {
          code: -32600,
          message: "failed to parse JSON-RPC message from exec-server stdio: invalid JSON",
        },
      },
      {
        id: -1,
        error: {
          code: -32600,
          message: "failed to parse JSON-RPC message from exec-server stdio: the message is not UTF-8",
        },
      },
      {
        id: -1,
        error: {
          code: -32600,
          message:
            "failed to parse websocket JSON-RPC message from exec-server websocket 127.0.0.1:1: expected a JSON-RPC object",
        },
      },
    ]);
    expect(channel.calls).toEqual([]);
  });

  test("a rule that is broken closes the channel", () => {
    const { channel, closes } = openPeer({
      notification: () => {
        throw new ProtocolViolation("not now");
      },
      unmatched: () => {
        throw new ProtocolViolation("not asked");
      },
    });
    channel.receiver!.message('{"method":"n"}');
    expect(closes).toEqual([{ kind: "protocol", message: "not now" }]);
    const other = openPeer({
      unmatched: () => {
        throw new ProtocolViolation("not asked");
      },
    });
    other.channel.receiver!.message('{"id":9,"result":1}');
    expect(other.closes).toEqual([{ kind: "protocol", message: "not asked" }]);
  });
});

test("a peer hands on what the channel offers", () => {
  let drained = 0;
  const { peer, channel } = openPeer({ drained: () => void drained++ });
  peer.notify("n", { a: 1 });
  peer.send("text");
  expect(channel.sent).toEqual(['{"method":"n","params":{"a":1}}', "text"]);
  peer.hold()();
  peer.close({ kind: "goingAway", message: "bye" });
  expect(channel.calls).toEqual(["pause", "resume", "close goingAway"]);
  channel.receiver!.drained();
  expect(drained).toBe(1);
  channel.pendingBytes = 5;
  expect([peer.pendingBytes, peer.label]).toEqual([5, "exec-server stdio"]);
});

test("two peers over a pair call each other at the same time", async () => {
  const [a, b] = channelPair("pair");
  const make = (channel: Channel, name: string): Peer => {
    const peer: Peer = new Peer(channel, {
      request: (method, params) => (method === "ask back" ? peer.call("name", null) : [name, params]),
      notification: () => {},
      unmatched: () => {},
      closed: () => {},
    });
    peer.open();
    return peer;
  };
  const [left, right] = [make(a, "left"), make(b, "right")];
  const answers = Promise.all([left.call("name", 1), right.call("name", 2), left.call("ask back", null)]);
  expect(await within(WAIT_MS, "answers", answers)).toEqual([
    ["right", 1],
    ["left", 2],
    ["left", null],
  ]);
  left.close({ kind: "normal", message: "done" });
  await until(WAIT_MS, "end", () => right.closeReason !== undefined && left.closeReason !== undefined);
});
