import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import type { Channel } from "../../../lib/jsonrpc/channel.ts";
import type { ExecServerError } from "../../../lib/protocol/errors.ts";
import { bunRuntime } from "../../../lib/runtime/bun.ts";
import { acceptKey } from "../../../lib/transport/http_head.ts";
import { type DialOptions, dialWebsocket, UpgradeRefused } from "../../../lib/transport/websocket.ts";
import { encodeFrame } from "../../../lib/transport/websocket_frames.ts";
import { until, within } from "../../support/deadline.ts";
import { Recorder, WAIT_MS } from "./support.ts";

const runtime = bunRuntime();

/** A server that the test writes by hand. */
interface RawServer {
  port: number;
  /** What clients sent. */
  received: string[];
  sockets: net.Socket[];
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(onHead: (socket: net.Socket, head: string) => void): Promise<RawServer> {
  const server: RawServer = { port: 0, received: [], sockets: [] };
  const listener = net.createServer((socket) => {
    const index = server.received.push("") - 1;
    server.sockets.push(socket);
    socket.on("error", () => {});
    let answered = false;
    socket.on("data", (bytes) => {
      server.received[index] += bytes.toString("latin1");
      if (answered || !server.received[index]!.includes("\r\n\r\n")) return;
      answered = true;
      onHead(socket, server.received[index]!);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  server.port = (listener.address() as net.AddressInfo).port;
  cleanups.push(() => {
    listener.close();
    for (const socket of server.sockets) socket.destroy();
  });
  return server;
}

function upgrade(head: string, accept = acceptKey(/sec-websocket-key: (.*)\r\n/i.exec(head)![1]!)): string {
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

async function failureOf(options: DialOptions): Promise<ExecServerError> {
  const dialled = dialWebsocket(runtime, options).then(
    () => expect.unreachable(),
    (error) => error,
  );
  return await within(WAIT_MS, "rejection", dialled);
}

function url(server: RawServer, path = ""): string {
  return `ws://127.0.0.1:${server.port}${path}`;
}

describe("dialling", () => {
  test("sends a handshake that any server takes, without Origin", async () => {
    const server = await serve((socket, head) => socket.write(upgrade(head)));
    const channel = await dialWebsocket(runtime, { url: url(server, "/a%20b?c=d"), bearerToken: "s3cret" });
    channel.open(new Recorder());
    const [head] = server.received;
    const lines = head!.split("\r\n");
    expect(lines[0]).toBe("GET /a%20b?c=d HTTP/1.1");
    const headers = new Map(lines.slice(1, -2).map((line) => line.split(": ") as [string, string]));
    expect(Buffer.from(headers.get("Sec-WebSocket-Key")!, "base64")).toHaveLength(16);
    headers.delete("Sec-WebSocket-Key");
    expect(Object.fromEntries(headers)).toEqual({
      Host: `127.0.0.1:${server.port}`,
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Version": "13",
      Authorization: "Bearer s3cret",
    });
    expect(channel.label).toBe(`exec-server websocket 127.0.0.1:${server.port}`);
    channel.close({ kind: "normal", message: "" });
  });

  test("frames that come with the answer are not lost", async () => {
    const frame = (text: string): Uint8Array =>
      encodeFrame({ fin: true, opcode: 1, payload: Buffer.from(text) }, false);
    const server = await serve((socket, head) => {
      socket.write(Buffer.concat([Buffer.from(upgrade(head)), frame("at once"), frame("and again")]));
    });
    const channel = await dialWebsocket(runtime, { url: url(server) });
    const told = new Recorder();
    channel.open(told);
    await until(WAIT_MS, "messages", () => told.messages.length === 2);
    expect(told.messages).toEqual(["at once", "and again"]);
    channel.close({ kind: "normal", message: "" });
  });

  test("an answer that comes byte by byte is read", async () => {
    const server = await serve(async (socket, head) => {
      socket.setNoDelay(true);
      for (const char of upgrade(head)) {
        socket.write(char);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const channel = await dialWebsocket(runtime, { url: url(server) });
    channel.open(new Recorder());
    channel.close({ kind: "normal", message: "" });
  });

  test("no Authorization is sent without a token", async () => {
    const server = await serve((socket, head) => socket.write(upgrade(head)));
    const channel = await dialWebsocket(runtime, { url: `ws://user:password@127.0.0.1:${server.port}` });
    channel.open(new Recorder());
    expect(server.received[0]!.toLowerCase()).not.toContain("authorization");
    expect(server.received[0]).not.toContain("password");
    expect(channel.label).not.toContain("password");
    channel.close({ kind: "normal", message: "" });
  });
});

describe("refusals", () => {
  test("another status is ERR_CONNECT with status and body", async () => {
    const server = await serve((socket) => {
      socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 30\r\n\r\nmissing websocket bearer token");
    });
    const error = await failureOf({ url: url(server) });
    expect(error).toBeInstanceOf(UpgradeRefused);
    expect([error.code, (error as UpgradeRefused).status, error.message]).toEqual([
      "ERR_CONNECT",
      401,
      `Cannot connect to "ws://127.0.0.1:${server.port}": the server answered HTTP 401 Unauthorized (missing websocket bearer token)`,
    ]);
  });

  test("a body that comes later, on a connection that stays open, is waited for", async () => {
    const server = await serve((socket) => {
      socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\nno");
      setTimeout(() => socket.write(" way"), 20);
    });
    const error = await failureOf({ url: url(server), connectTimeoutMs: 5000 });
    expect(error.message).toEndWith("the server answered HTTP 403 Forbidden (no way)");
  });

  test("a refusal without a length or without a body is told at once", async () => {
    const bare = await serve((socket) => socket.write("HTTP/1.1 404 Not Found\r\n\r\n"));
    expect((await failureOf({ url: url(bare) })).message).toEndWith("the server answered HTTP 404 Not Found");
    const empty = await serve((socket) => socket.write("HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n"));
    expect(((await failureOf({ url: url(empty) })) as UpgradeRefused).status).toBe(500);
  });

  test("a body that is cut off is told as far as it came", async () => {
    const server = await serve((socket) =>
      socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\nhalf"),
    );
    expect((await failureOf({ url: url(server) })).message).toEndWith("HTTP 502 Bad Gateway (half)");
  });

  test("of a body without end only the beginning is waited for and shown", async () => {
    const server = await serve((socket) => {
      socket.write(`HTTP/1.1 500 Oops\r\nContent-Length: 1000000000\r\n\r\n${"z".repeat(10)}`);
      setTimeout(() => socket.write("z".repeat(100_000)), 10);
    });
    const error = await failureOf({ url: url(server), connectTimeoutMs: 5000 });
    expect(error.message).toEndWith(`HTTP 500 Oops (${"z".repeat(200)})`);
  });

  test("a redirect is not followed", async () => {
    const server = await serve((socket) => {
      socket.end("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    });
    expect(((await failureOf({ url: url(server) })) as UpgradeRefused).status).toBe(302);
  });

  const answers: [string, (head: string) => string, string][] = [
    [
      "a wrong accept key",
      (head) => upgrade(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
      "the server does not speak websocket",
    ],
    [
      "no accept key",
      (head) => upgrade(head).replace(/Sec-WebSocket-Accept.*\r\n/, ""),
      "the server does not speak websocket",
    ],
    [
      "no upgrade header",
      (head) => upgrade(head).replace(/Upgrade: websocket\r\n/, ""),
      "the server does not speak websocket",
    ],
    ["garbage", () => "SSH-2.0-OpenSSH_9.9\r\n\r\n", "the answer is not HTTP"],
    ["garbage of two words", () => "220 hello there\r\n\r\n", "the answer is not HTTP"],
    ["a head without end", () => "HTTP/1.1 101 x\r\n".padEnd(40_000, "x"), "the answer is not HTTP"],
  ];
  for (const [what, answer, detail] of answers) {
    test(`${what} is ERR_CONNECT, and the connection is dropped`, async () => {
      const server = await serve((socket, head) => socket.write(answer(head)));
      const error = await failureOf({ url: url(server) });
      expect([error.code, error.message]).toEqual([
        "ERR_CONNECT",
        `Cannot connect to "${url(server)}": ${detail}`,
      ]);
      await until(
        WAIT_MS,
        "end of the connection",
        () => server.sockets[0]!.destroyed || server.sockets[0]!.readableEnded,
      );
    });
  }

  test("an end during the upgrade is ERR_CONNECT", async () => {
    const server = await serve((socket) => socket.end("HTTP/1.1 101"));
    const error = await failureOf({ url: url(server) });
    expect([error.code, error.message]).toEqual([
      "ERR_CONNECT",
      `Cannot connect to "${url(server)}": the server closed the connection during the upgrade`,
    ]);
  });

  test("nobody at the port is ERR_CONNECT with the system's error as cause", async () => {
    const server = await serve(() => {});
    for (const cleanup of cleanups.splice(0)) cleanup();
    const error = await failureOf({ url: url(server) });
    expect(error.code).toBe("ERR_CONNECT");
    expect(error.message).toStartWith(`Cannot connect to "${url(server)}": `);
    expect(error.cause).toBeInstanceOf(Error);
  });
});

describe("limits", () => {
  test("no answer is ERR_CONNECT_TIMEOUT, and the connection is dropped", async () => {
    const server = await serve(() => {});
    const error = await failureOf({ url: url(server), connectTimeoutMs: 50 });
    expect([error.code, error.message]).toEqual([
      "ERR_CONNECT_TIMEOUT",
      `Cannot connect to "${url(server)}": no answer in 50 ms`,
    ]);
    await until(
      WAIT_MS,
      "end of the connection",
      () => server.sockets[0]!.destroyed || server.sockets[0]!.readableEnded,
    );
  });

  test("half an answer is ERR_CONNECT_TIMEOUT too", async () => {
    const server = await serve((socket) => socket.write("HTTP/1.1 101 Switching"));
    expect((await failureOf({ url: url(server), connectTimeoutMs: 50 })).code).toBe("ERR_CONNECT_TIMEOUT");
  });

  test("a signal gives up with its reason", async () => {
    const server = await serve(() => {});
    const controller = new AbortController();
    const failure = failureOf({ url: url(server), signal: controller.signal });
    await until(WAIT_MS, "request", () => (server.received[0] ?? "") !== "");
    controller.abort(new Error("changed my mind"));
    expect(await failure).toEqual(new Error("changed my mind") as never);
    expect(await failureOf({ url: url(server), signal: controller.signal })).toEqual(
      new Error("changed my mind") as never,
    );
  });
});

describe("secrets", () => {
  const token = "t0ken-nobody-may-see";

  test("the token is in no error text", async () => {
    const servers = await Promise.all([
      serve((socket) => socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n")),
      serve((socket) => socket.end("nonsense\r\n\r\n")),
      serve(() => {}),
    ]);
    for (const server of servers) {
      const error = await failureOf({ url: url(server), bearerToken: token, connectTimeoutMs: 300 });
      expect(Bun.inspect(error)).not.toContain(token);
      expect(server.received[0]).toContain(`Authorization: Bearer ${token}\r\n`);
    }
  });

  for (const tail of ["\n", "\r\nX-Evil: 1", "\0", "\x7f"]) {
    test(`a token with ${JSON.stringify(tail)} in it is refused before anything is sent`, async () => {
      const server = await serve((socket, head) => socket.write(upgrade(head)));
      const error = await failureOf({ url: url(server), bearerToken: token + tail });
      expect([error.code, error.message]).toEqual([
        "ERR_CONNECT",
        `Cannot connect to "${url(server)}": the bearer token has a line break or another control character in it`,
      ]);
      await Bun.sleep(10);
      expect(server.received).toEqual([]);
    });
  }

  const shown: [string, string][] = [
    ["ws://user:passw0rd@127.0.0.1:1/x", "ws://127.0.0.1:1/x"],
    ["ws://passw0rd@127.0.0.1:1", "ws://127.0.0.1:1/"],
    ["ws://user:p@passw0rd@127.0.0.1:1/x@y", "ws://127.0.0.1:1/x@y"],
    ["ws:user:passw0rd@127.0.0.1:1", "ws://127.0.0.1:1/"],
    ["http://user:passw0rd@127.0.0.1:1/", "http://127.0.0.1:1/"],
    ["ws://user:passw0rd@host:port/", "ws://host:port/"],
    ["ws://user:pass/w0rd@host:port/passw0rd@", "ws://"],
  ];
  for (const [given, told] of shown) {
    test(`${given} is shown as ${told}`, async () => {
      const error = await failureOf({ url: given, connectTimeoutMs: 2000 });
      expect(error.message).toStartWith(`Cannot connect to "${told}": `);
      expect(Bun.inspect(error)).not.toContain("passw0rd");
    });
  }

  test("what is no websocket URL is refused with what was wanted", async () => {
    for (const given of ["http://h/", "h:1", "", "wss//h"]) {
      const error = await failureOf({ url: given });
      expect([error.code, error.message]).toEqual([
        "ERR_CONNECT",
        `Cannot connect to ${JSON.stringify(given)}: expected a "ws://" or "wss://" URL`,
      ]);
    }
  });
});

/** Twice that is longer than either side is busy with the largest message, on a machine that is busy too. */
const PING_MS = 300;
const sizes = [0, 1, 125, 126, 65_535, 65_536, 1_000_003, 20 * 1024 * 1024];

function textOf(size: number): string {
  return Array.from({ length: Math.ceil(size / 64) }, (_, i) => String(i).padStart(64, "."))
    .join("")
    .slice(0, size);
}

describe("interop with Bun's own websocket", () => {
  test("our client and Bun's server: texts and binary from 1 B to 20 MiB come back", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: {
        maxPayloadLength: 64 * 1024 * 1024,
        backpressureLimit: 256 * 1024 * 1024,
        message: (socket, message) => {
          socket.send(message);
          socket.send(Buffer.from(message));
        },
      },
    });
    try {
      const channel = await dialWebsocket(runtime, {
        url: `ws://127.0.0.1:${server.port}`,
        pingIntervalMs: PING_MS,
      });
      const told = new Recorder();
      channel.open(told);
      for (const size of sizes) {
        const text = textOf(size);
        const before = told.messages.length;
        channel.send(text);
        await until(WAIT_MS, `${size} bytes`, () => told.messages.length === before + 2);
        expect(told.messages.slice(before).every((message) => message === text)).toBe(true);
      }
      // Long enough for pings, which Bun answers.
      await Bun.sleep(4 * PING_MS);
      expect(told.closes).toEqual([]);
      channel.close({ kind: "normal", message: "done" });
      expect(told.closes).toHaveLength(1);
    } finally {
      await server.stop(true);
    }
  });

  test("Bun's server that closes is told with its status", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: { message: (socket) => socket.close(1001, "moving") },
    });
    try {
      const channel = await dialWebsocket(runtime, { url: `ws://127.0.0.1:${server.port}` });
      const told = new Recorder();
      channel.open(told);
      channel.send("x");
      await until(WAIT_MS, "end", () => told.closes.length > 0);
      expect(told.closes).toEqual([
        { kind: "goingAway", message: "the other side closed the connection with status 1001: moving" },
      ]);
    } finally {
      await server.stop(true);
    }
  });

  test("Bun's client and our server: texts and binary from 1 B to 20 MiB come back, and the close is answered", async () => {
    const { HttpHeadReader } = await import("../../../lib/transport/http_head.ts");
    const { WebsocketChannel } = await import("../../../lib/transport/websocket_channel.ts");
    const told = new Recorder();
    const listener = await runtime.listen({ hostname: "127.0.0.1", port: 0 }, (stream) => {
      let channel:
        | (Channel & { streamHandlers: (typeof WebsocketChannel.prototype)["streamHandlers"] })
        | undefined;
      const reader = new HttpHeadReader();
      return {
        data: (bytes) => {
          if (channel) return channel.streamHandlers.data(bytes);
          const head = reader.feed(bytes);
          if (!head) return;
          stream.write(
            Buffer.from(upgrade(`sec-websocket-key: ${head.headers.get("sec-websocket-key")![0]}\r\n`)),
          );
          const made = new WebsocketChannel(stream, {
            role: "server",
            label: "server",
            pingIntervalMs: PING_MS,
          });
          channel = made;
          told.onMessage = (text) => made.send(text);
          made.open(told);
        },
        drain: () => channel?.streamHandlers.drain(),
        close: (error) => channel?.streamHandlers.close(error),
      };
    });
    try {
      const socket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
      const messages: string[] = [];
      const closed = Promise.withResolvers<[number, boolean]>();
      const opened = Promise.withResolvers<void>();
      socket.onopen = () => opened.resolve();
      socket.onmessage = ({ data }) => messages.push(data);
      socket.onclose = ({ code, wasClean }) => closed.resolve([code, wasClean]);
      await within(WAIT_MS, "open", opened.promise);
      for (const size of sizes) {
        const text = textOf(size);
        const before = messages.length;
        socket.send(text);
        socket.send(Buffer.from(text));
        await until(WAIT_MS, `${size} bytes`, () => messages.length === before + 2);
        expect(messages.slice(before).every((message) => message === text)).toBe(true);
      }
      await Bun.sleep(4 * PING_MS);
      expect(told.closes).toEqual([]);
      socket.close(1000, "bye");
      expect(await within(WAIT_MS, "close", closed.promise)).toEqual([1000, true]);
      expect(told.closes).toEqual([
        { kind: "normal", message: "the other side closed the connection with status 1000: bye" },
      ]);
    } finally {
      listener.close();
    }
  });
});
