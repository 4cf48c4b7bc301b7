import { describe, expect, test } from "bun:test";
import type { CloseReason } from "../../../lib/jsonrpc/channel.ts";
import { ServerConnection } from "../../../lib/server/connection.ts";
import { Loader } from "../../../lib/server/loader.ts";
import { LateService, type Service, Services } from "../../../lib/server/service.ts";
import { until } from "../../support/deadline.ts";
import { FakeChannel } from "../jsonrpc/fake_channel.ts";
import { FakeRuntime } from "../process/fake_runtime.ts";
import { serverParts, sessionStore } from "./support.ts";

const WAIT_MS = 5000;
const hello = { clientName: "test" };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** It delivers what it is given, paused or not, as transports do that have read several messages at once. */
class PieceChannel extends FakeChannel {
  ended: CloseReason | undefined;

  ask(id: number, method: string, params: unknown = null): void {
    this.receiver?.message(JSON.stringify({ id, method, params }));
  }

  tell(method: string, params: unknown = null): void {
    this.receiver?.message(JSON.stringify({ method, params }));
  }

  override close(reason: CloseReason): void {
    this.ended = reason;
    super.close(reason);
  }

  async answers(count: number): Promise<Record<string, unknown>[]> {
    await until(WAIT_MS, `${count} answers`, () => this.sent.length >= count);
    const { messages } = this;
    this.sent.length = 0;
    return messages;
  }
}

interface Connected {
  channel: PieceChannel;
  /** Lets the work be there, or fail. */
  load: PromiseWithResolvers<void>;
  /** The same for its service, where that is loaded late. */
  loadService: PromiseWithResolvers<void>;
  /** What the service was asked for. */
  asked: unknown[];
}

/** A connection to a server whose work is not loaded yet. Its blocks are all read into the same memory. */
function connect({ late = false } = {}): Connected {
  const [load, loadService] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  for (const { promise } of [load, loadService]) promise.catch(() => {});
  const asked: unknown[] = [];
  const memory = new Uint8Array(1);
  const service: Service = {
    prefix: "fs/",
    open: () => ({
      request: (_, params) => {
        asked.push((params as { handleId: string }).handleId);
        memory[0] = asked.length;
        return { chunk: memory, eof: false };
      },
      dispose: () => void asked.push("dispose"),
    }),
  };
  const channel = new PieceChannel();
  const offered = late ? new LateService("fs/", () => loadService.promise.then(() => service)) : service;
  new ServerConnection(channel, {
    sessions: sessionStore(new FakeRuntime().runtime, 0),
    ...serverParts([offered], load.promise),
  });
  return { channel, load, loadService, asked };
}

async function greeted(options: { late?: boolean } = {}): Promise<Connected> {
  const connected = connect(options);
  connected.channel.ask(1, "initialize", hello);
  expect(await connected.channel.answers(1)).toMatchObject([{ id: 1, result: {} }]);
  connected.channel.tell("initialized");
  return connected;
}

function block(handleId: string): object {
  return { handleId, offset: 0, len: 1 };
}

function refusal(id: number, code: number, message: string): Record<string, unknown> {
  return { id, error: { code, message } };
}

describe("a connection whose work is not loaded", () => {
  test("greets, and has what follows wait in its order, each answer with bytes of its own", async () => {
    const { channel, load, asked } = connect();
    channel.ask(1, "initialize", hello);
    channel.ask(2, "fs/readBlock", block("early"));
    channel.tell("initialized");
    channel.ask(3, "fs/readBlock", block("a"));
    channel.ask(4, "fs/readBlock", block("b"));
    expect(channel.messages).toMatchObject([{ id: 1, result: {} }]);
    await turn();
    expect([channel.sent.length, asked.length]).toEqual([1, 0]);
    expect(channel.calls).toEqual(["pause"]);
    load.resolve();
    expect((await channel.answers(4)).slice(1)).toEqual([
      refusal(2, -32600, "client must send initialized before using filesystem methods"),
      { id: 3, result: { chunk: "AQ==", eof: false } },
      { id: 4, result: { chunk: "Ag==", eof: false } },
    ]);
    expect([asked, channel.calls]).toEqual([
      ["a", "b"],
      ["pause", "resume"],
    ]);
    channel.ask(5, "environment/status");
    expect(channel.messages).toEqual([{ id: 5, result: { status: "ready" } }]);
  });

  test("takes the handshake in its turn, too", async () => {
    const { channel, load } = connect();
    channel.ask(1, "environment/status");
    channel.ask(2, "initialize", hello);
    channel.tell("initialized");
    channel.ask(3, "environment/status");
    await turn();
    expect(channel.sent).toEqual([]);
    load.resolve();
    expect(await channel.answers(3)).toMatchObject([
      refusal(1, -32600, "client must call initialize before using environment status methods"),
      { id: 2, result: {} },
      { id: 3, result: { status: "ready" } },
    ]);
  });

  test("takes what comes while the first of the others are handled behind them", async () => {
    const { channel, load } = await greeted();
    channel.ask(2, "fs/readBlock", block("a"));
    channel.ask(3, "fs/readBlock", block("b"));
    load.resolve();
    // The work is there one microtask before it is handed to who waits.
    for (let i = 4; i < 12; i++) {
      await Promise.resolve();
      channel.ask(i, "fs/readBlock", block("c"));
    }
    const ids = (await channel.answers(10)).map(({ id }) => id);
    expect(ids).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test("is closed by what breaks a rule, once that is known", async () => {
    const { channel, load } = await greeted();
    channel.tell("nothing/like/it");
    await turn();
    expect(channel.ended).toBeUndefined();
    load.resolve();
    await until(WAIT_MS, "end", () => channel.ended !== undefined);
    expect(channel.ended).toEqual({
      kind: "protocol",
      message: 'The notification "nothing/like/it" is not known',
    });
  });

  test("is closed at once by what no client may send before the handshake", () => {
    const { channel } = connect();
    channel.tell("process/consumed", { processId: "p", seq: 1 });
    expect(channel.ended?.kind).toBe("protocol");
  });

  test("that has ended is not worked for", async () => {
    const { channel, load, asked } = await greeted();
    channel.ask(2, "fs/readBlock", block("a"));
    channel.close({ kind: "goingAway", message: "over" });
    load.resolve();
    await turn();
    await turn();
    expect(asked).toEqual([]);
  });

  test("says why it cannot be loaded, each time that it is asked", async () => {
    const { channel, load } = await greeted();
    load.reject(new Error("The disk is gone"));
    for (let id = 2; id < 4; id++) {
      channel.ask(id, "environment/status");
      expect(await channel.answers(1)).toEqual([refusal(id, -32603, "The disk is gone")]);
    }
  });

  test("makes an observer wait with its greeting", async () => {
    const { channel, load } = connect();
    channel.ask(1, "initialize", { ...hello, resumeSessionId: "x", attach: "observe" });
    await turn();
    expect(channel.sent).toEqual([]);
    load.resolve();
    expect(await channel.answers(1)).toEqual([refusal(1, -32600, "unknown session id x")]);
  });
});

describe("a service that is loaded late", () => {
  const ready = { result: { status: "ready" } };

  async function worked(): Promise<Connected> {
    const connected = await greeted({ late: true });
    connected.load.resolve();
    connected.channel.ask(2, "environment/status");
    expect(await connected.channel.answers(1)).toEqual([{ id: 2, ...ready }]);
    connected.channel.calls.length = 0;
    return connected;
  }

  test("has its first request wait, and what comes behind that", async () => {
    const { channel, loadService, asked } = await worked();
    channel.ask(3, "fs/readBlock", block("a"));
    channel.ask(4, "environment/status");
    channel.ask(5, "fs/readBlock", block("b"));
    await turn();
    expect([channel.sent, asked, channel.calls]).toEqual([[], [], ["pause"]]);
    loadService.resolve();
    expect(await channel.answers(3)).toEqual([
      { id: 3, result: { chunk: "AQ==", eof: false } },
      { id: 4, ...ready },
      { id: 5, result: { chunk: "Ag==", eof: false } },
    ]);
    expect([asked, channel.calls]).toEqual([
      ["a", "b"],
      ["pause", "resume"],
    ]);
  });

  test("is waited for behind the work, by what has waited for that", async () => {
    const { channel, load, loadService, asked } = await greeted({ late: true });
    channel.ask(2, "environment/status");
    channel.ask(3, "fs/readBlock", block("a"));
    channel.ask(4, "environment/status");
    load.resolve();
    expect(await channel.answers(1)).toEqual([{ id: 2, ...ready }]);
    await turn();
    expect([channel.sent, asked]).toEqual([[], []]);
    channel.ask(5, "fs/readBlock", block("b"));
    loadService.resolve();
    expect((await channel.answers(3)).map(({ id }) => id)).toEqual([3, 4, 5]);
    expect(asked).toEqual(["a", "b"]);
  });

  test("says why it cannot be loaded to who asks for it, and holds up nobody else", async () => {
    const { channel, loadService } = await worked();
    loadService.reject(new Error("The disk is gone"));
    for (let id = 3; id < 7; id += 2) {
      channel.ask(id, "fs/readBlock", block("a"));
      channel.ask(id + 1, "environment/status");
      expect(await channel.answers(2)).toEqual([
        refusal(id, -32603, "The disk is gone"),
        { id: id + 1, ...ready },
      ]);
    }
  });

  test("lets no client go on that another service holds, and the other way round", async () => {
    let letGo = (): void => {};
    const holding: Service = {
      prefix: "fs/",
      open: (link) => ({
        request: () => {
          letGo = link.hold();
          return {};
        },
        dispose: () => {},
      }),
    };
    for (const first of ["service", "hold"]) {
      const load = Promise.withResolvers<Service>();
      const channel = new PieceChannel();
      new ServerConnection(channel, {
        sessions: sessionStore(new FakeRuntime().runtime, 0),
        ...serverParts([holding, new LateService("http/", () => load.promise)]),
      });
      channel.ask(1, "initialize", hello);
      channel.tell("initialized");
      channel.ask(2, "fs/close", { handleId: "h" });
      channel.ask(3, "http/request/cancel", { requestId: "r" });
      await channel.answers(2);
      await turn();
      expect(channel.calls.splice(0).at(-1)).toBe("pause");
      const loaded = async (): Promise<void> => {
        load.resolve({
          prefix: "http/",
          open: () => ({ request: () => ({ cancelled: false }), dispose: () => {} }),
        });
        await channel.answers(1);
      };
      if (first === "service") await loaded();
      else letGo();
      expect(channel.calls).toEqual([]);
      if (first === "service") letGo();
      else await loaded();
      expect(channel.calls).toEqual(["resume"]);
    }
  });

  test("is not loaded for anything else, and ends with what has been loaded", async () => {
    let loads = 0;
    let ends = 0;
    const service = new LateService("fs/", async () => {
      loads++;
      return { prefix: "fs/", ended: async () => void ends++, open: () => ({}) as never };
    });
    const services = new Services([service]);
    await services.ended();
    expect([services.of("process/read"), loads, ends]).toEqual([undefined, 0, 0]);
    expect(services.of("fs/open")).toBe(service);
    await service.waitsFor();
    expect(service.waitsFor()).toBeUndefined();
    await services.ended();
    expect([loads, ends]).toEqual([1, 1]);
  });
});

describe("a loader", () => {
  test("begins with the first call, once, and has nothing before it is done", async () => {
    const started: string[] = [];
    const done = Promise.withResolvers<string>();
    const loader = new Loader(() => {
      started.push("start");
      return done.promise;
    });
    expect([started, loader.loaded]).toEqual([[], undefined]);
    const [first, second] = [loader.load(), loader.load()];
    expect(started).toEqual(["start"]);
    done.resolve("all of it");
    expect(await Promise.all([first, second])).toEqual(["all of it", "all of it"]);
    expect(loader.loaded).toBe("all of it");
  });

  test("is waited for until it is done, or has failed", async () => {
    for (const [end, found] of [
      [Promise.resolve("all of it"), "all of it"],
      [Promise.reject(new Error("No")), undefined],
    ] as const) {
      const loader = new Loader<string>(() => end);
      const wait = loader.wait();
      expect(wait).toBeDefined();
      await wait!.catch(() => {});
      expect([loader.wait(), loader.loaded]).toEqual([undefined, found as string]);
    }
  });
});
