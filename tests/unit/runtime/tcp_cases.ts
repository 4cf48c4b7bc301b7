/** TCP and TLS connections: order, back-pressure, and an end that is told once. */

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
import { Buffer } from "node:buffer";
import net from "node:net";
import type {
  ByteStream,
  ConnectOptions,
  Runtime,
  StreamHandlers,
  TcpListener,
} from "../../../lib/runtime/runtime.ts";
import { type Case, concat, encode, MIB, noise, sameBytes, settled, until, within } from "./support.ts";

/** One end of a connection with all that it was told. */
class End {
  readonly stream: ByteStream;
  readonly parts: Uint8Array[] = [];
  received = 0;
  drains = 0;
  closes: (Error | undefined)[] = [];
  onData: ((bytes: Uint8Array) => void) | undefined;

  constructor(stream: ByteStream) {
    this.stream = stream;
  }

  get handlers(): StreamHandlers {
    return {
      data: (bytes) => {
        this.parts.push(bytes);
        this.received += bytes.length;
        this.onData?.(bytes);
      },
      drain: () => void this.drains++,
      close: (error) => void this.closes.push(error),
    };
  }

  get bytes(): Uint8Array {
    return concat(this.parts);
  }
}

interface Pair {
  listener: TcpListener;
  server: End;
  client: End;
}

export const tcpCases: Case[] = [
  {
    name: "tcp: addresses and ports are told, 8 MiB are echoed",
    run: (runtime) => withPair(runtime, echo),
  },
  {
    name: "tcp: many small writes keep their order",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        const parts = Array.from({ length: 5000 }, (_, i) => noise(1 + ((i * 31) % 300)));
        for (const part of parts) client.stream.write(part);
        const expected = concat(parts);
        await until(() => server.received >= expected.length, "everything arrives");
        sameBytes(server.bytes, expected, "small writes");
      }),
  },
  {
    name: "tcp: an array that was lent may change although the other side is slow",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        server.stream.pause();
        const parts = Array.from({ length: 128 }, (_, i) => new Uint8Array(64 * 1024).fill(i));
        const lent = Buffer.alloc(64 * 1024);
        for (const part of parts) {
          lent.set(part);
          client.stream.writeBorrowed(lent);
        }
        ok(client.stream.pendingBytes > 0, "the system does not take 8 MiB at once");
        lent.fill(0xff);
        server.stream.resume();
        const expected = concat(parts);
        await until(() => server.received >= expected.length, "everything arrives");
        sameBytes(server.bytes, expected, "lent writes");
      }),
  },
  { name: "tcp: what is read past data() keeps its place, and what follows is told of", run: readsMore },
  {
    name: "tcp: a client that asks one thing after the other is heard, to its last word",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        server.onData = (bytes) => server.stream.writeBorrowed(bytes);
        // Beyond a short message now and then, and of just its size.
        const longest = noise(20_000);
        const parts = Array.from({ length: 500 }, (_, i) =>
          longest.subarray(0, [100, 4095, 4096, 4097, 20_000][i % 7] ?? 1 + (i % 50)),
        );
        let sent = 0;
        let expected = 0;
        const ask = (): void => {
          if (client.received < expected || sent === parts.length) return;
          expected += parts[sent]!.length;
          client.stream.write(parts[sent++]!);
        };
        client.onData = ask;
        ask();
        const all = concat(parts);
        await until(() => client.received >= all.length, "all answers are there");
        sameBytes(client.bytes, all, "answers");
        client.stream.write(encode("last"));
        client.stream.destroy();
        await until(() => server.closes.length > 0, "the end is told");
        ok([all.length, all.length + 4].includes(server.received), "nothing is heard twice");
      }),
  },
  { name: "tcp: pause() holds the sender back, drain tells when it can go on", run: pauses },
  {
    name: "tcp: end() after a large write delivers everything, then close is told once on both sides",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        const bytes = noise(8 * MIB);
        client.stream.write(bytes);
        client.stream.end();
        client.stream.end();
        client.stream.write(encode("ignored"));
        await closed(server, client);
        sameBytes(server.bytes, bytes, "what came before the end");
        deepStrictEqual([server.closes, client.closes], [[undefined], [undefined]]);
        client.stream.destroy();
        server.stream.destroy();
        client.stream.write(encode("ignored"));
        deepStrictEqual([server.closes.length, client.closes.length], [1, 1]);
        strictEqual(client.stream.pendingBytes, 0);
      }),
  },
  {
    name: "tcp: end() while the other side is paused closes both when it goes on",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        server.stream.pause();
        client.stream.write(noise(32 * 1024));
        client.stream.end();
        await until(() => client.stream.pendingBytes === 0, "the client has sent everything");
        strictEqual(server.received, 0);
        server.stream.resume();
        await closed(server, client);
        sameBytes(server.bytes, noise(32 * 1024), "what was sent before the end");
      }),
  },
  {
    name: "tcp: destroy() closes both sides once",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        client.stream.write(noise(4 * MIB));
        client.stream.destroy();
        client.stream.destroy();
        strictEqual(client.stream.pendingBytes, 0);
        await closed(server, client);
      }),
  },
  {
    name: "tcp: destroy() of a paused connection closes both sides",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        server.stream.pause();
        client.stream.pause();
        server.stream.destroy();
        client.stream.resume();
        await closed(server, client);
      }),
  },
  { name: "tcp: an answer still queued when the other side ends is sent", run: halfClosed },
  { name: "tcp: an answer before the question is over arrives", run: earlyAnswer },
  {
    name: "tcp: end() closes in the end although the other side does not, and data() is not called any more",
    run: async (runtime) => {
      const { server, listener, socket } = await rawClient(runtime, { allowHalfOpen: true });
      let ended = false;
      socket.on("end", () => void (ended = true)).resume();
      server.stream.pause();
      server.stream.end();
      await until(() => ended, "the client is told");
      socket.write("but one thing more");
      await until(() => server.closes.length === 1, "close");
      deepStrictEqual([server.received, server.closes], [0, [undefined]]);
      socket.destroy();
      listener.close();
    },
  },
  {
    name: "tcp: a connection that the other side resets is closed",
    run: async (runtime) => {
      const { server, listener, socket } = await rawClient(runtime, {});
      socket.resetAndDestroy();
      await until(() => server.closes.length === 1, "close");
      listener.close();
    },
  },
  {
    name: "tcp: close() of the listener keeps connections and refuses new ones",
    run: (runtime) =>
      withPair(runtime, async ({ listener, server, client }) => {
        listener.close();
        listener.close();
        await rejects(connect(runtime, { port: listener.port }), Error);
        client.stream.write(encode("still here"));
        await until(() => server.received === 10, "the bytes");
      }),
  },
  {
    name: "tcp: a port in use rejects with EADDRINUSE",
    run: async (runtime) => {
      const listener = await listen(runtime, []);
      const again = runtime.listen(
        { hostname: "127.0.0.1", port: listener.port },
        () => new End(null!).handlers,
      );
      await rejects(again, { code: "EADDRINUSE" });
      listener.close();
    },
  },
  {
    name: "tcp: a refused connection rejects",
    run: async (runtime) => {
      const listener = await listen(runtime, []);
      listener.close();
      await rejects(within(connect(runtime, { port: listener.port }), "the rejection"), Error);
    },
  },
  {
    name: "tcp: a name that does not exist rejects",
    run: async (runtime) => {
      await rejects(
        within(connect(runtime, { hostname: "no.such.host.invalid", port: 1 }), "the rejection"),
        Error,
      );
    },
  },
  { name: "tcp: the abort signal gives up with its reason", run: aborts },
  {
    name: "tcp: a signal that fires after the connection stands leaves it alone",
    run: async (runtime) => {
      const servers: End[] = [];
      const listener = await listen(runtime, servers);
      const abort = new AbortController();
      const client = await connect(runtime, { port: listener.port, signal: abort.signal });
      abort.abort(new Error("late"));
      client.stream.write(encode("still here"));
      await until(() => servers[0]?.received === 10, "the bytes");
      client.stream.end();
      await closed(client, servers[0]!);
      listener.close();
    },
  },
  {
    name: "tcp: IPv6",
    run: async (runtime) => {
      const servers: End[] = [];
      let listener: TcpListener;
      try {
        listener = await listen(runtime, servers, "::1");
      } catch {
        return "no IPv6 loopback here";
      }
      strictEqual(listener.hostname, "::1");
      const client = await connect(runtime, { hostname: "::1", port: listener.port });
      strictEqual(client.stream.remoteAddress, "::1");
      client.stream.write(encode("six"));
      await until(() => servers[0]?.received === 3, "the bytes");
      strictEqual(servers[0]!.stream.remoteAddress, "::1");
      client.stream.end();
      await closed(client, servers[0]!);
      listener.close();
    },
  },
  {
    name: "tcp: timers go on while a connection floods",
    run: (runtime) =>
      withPair(runtime, async ({ server, client }) => {
        let worst = 0;
        let ticks = 0;
        let last = performance.now();
        const timer = setInterval(() => {
          worst = Math.max(worst, performance.now() - last);
          last = performance.now();
          ticks++;
          while (client.stream.pendingBytes < 4 * MIB) client.stream.write(new Uint8Array(256 * 1024));
        }, 5);
        await until(() => ticks > 100, "ticks").finally(() => clearInterval(timer));
        ok(server.received > MIB, `only ${server.received} bytes came`);
        ok(worst < 250, `a timer was ${worst.toFixed(0)} ms late`);
        client.stream.destroy();
        await closed(server, client);
      }),
  },
];

async function echo({ listener, server, client }: Pair): Promise<void> {
  strictEqual(listener.hostname, "127.0.0.1");
  ok(listener.port > 0);
  strictEqual(client.stream.remotePort, listener.port);
  deepStrictEqual(
    [client.stream.remoteAddress, client.stream.localAddress, server.stream.remoteAddress],
    ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
  );
  server.onData = (bytes) => server.stream.write(bytes);
  const bytes = noise(8 * MIB);
  for (let at = 0; at < bytes.length; at += MIB) client.stream.write(bytes.subarray(at, at + MIB));
  await until(
    () => client.received === bytes.length,
    () => `${client.received} bytes came back`,
  );
  sameBytes(server.bytes, bytes, "there");
  sameBytes(client.bytes, bytes, "and back");
}

function pauses(runtime: Runtime): Promise<void> {
  return withPair(runtime, async ({ server, client }) => {
    // So that it is waiting for more when it is paused.
    client.stream.write(encode("x"));
    await until(() => server.received === 1, "the first byte");
    await settled(() => client.stream.pendingBytes);
    const drains = client.drains;
    server.stream.pause();
    const part = noise(MIB);
    for (let i = 0; i < 32; i++) client.stream.write(part);
    const pending = await settled(() => client.stream.pendingBytes);
    ok(pending > 8 * MIB, `only ${pending} bytes are held back`);
    strictEqual(server.received, 1, "data while paused");
    strictEqual(client.drains, drains, "drain while bytes are pending");
    server.stream.resume();
    await until(
      () => server.received === 1 + 32 * MIB,
      () => `${server.received} bytes came`,
    );
    await until(() => client.drains > drains, "drain");
    strictEqual(client.stream.pendingBytes, 0);
    sameBytes(server.bytes.subarray(1 + 31 * MIB), part, "the last part");
    // It can be done again, from within data() as well. How much the system buffers is its own affair by now.
    const before = server.received;
    server.onData = () => server.stream.pause();
    for (let i = 0; i < 32; i++) client.stream.write(part);
    await until(() => server.received > before, "data");
    await settled(() => client.stream.pendingBytes);
    ok(server.received - before < 2 * MIB, `${server.received - before} bytes came after pause()`);
    server.onData = undefined;
    server.stream.resume();
    await until(
      () => server.received === 1 + 64 * MIB,
      () => `${server.received} bytes came`,
    );
  });
}

/** Only where the runtime can; elsewhere `data()` brings everything. */
function readsMore(runtime: Runtime): Promise<void> {
  return withPair(runtime, async ({ server, client }) => {
    const sent = noise(4 * MIB);
    let wanted = sent.length;
    server.onData = () => {
      for (let count = 1; count > 0 && server.received < wanted; server.received += count) {
        const memory = new Uint8Array(Math.min(300_000, wanted - server.received));
        count = server.stream.readMore?.(memory) ?? 0;
        server.parts.push(memory.subarray(0, count));
      }
    };
    for (let at = 0; at < sent.length; at += 100_000) {
      client.stream.write(sent.slice(at, at + 100_000));
      // Some come together, others alone.
      if (at % 700_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => server.received >= wanted, "all bytes");
    // Fewer than were waited for before.
    client.stream.write(encode("end"));
    await until(() => server.received === wanted + 3, "the last bytes");
    sameBytes(server.bytes, concat([sent, encode("end")]), "what has come");
    // The rest of something long that never comes: the end does.
    wanted += 1_000_000;
    client.stream.write(noise(1000));
    await until(() => server.received === sent.length + 1003, "the beginning of something long");
    // And whatever has come, once that is asked for.
    client.stream.write(encode("little"));
    server.stream.tellOfAll?.();
    await until(() => server.received === sent.length + 1009, "what has come of it");
    client.stream.end();
    await until(() => server.closes.length === 1, "the end");
  });
}

async function halfClosed(runtime: Runtime): Promise<void> {
  const reply = noise(16 * MIB);
  const { server, listener, socket } = await rawClient(runtime, { allowHalfOpen: true });
  socket.pause();
  server.onData = () => server.stream.write(reply);
  socket.end("question");
  await until(() => server.received === 8 && server.stream.pendingBytes > 0, "the answer is queued");
  let received = 0;
  let ended = false;
  socket.on("data", (bytes) => void (received += bytes.length));
  socket.on("end", () => void (ended = true));
  socket.resume();
  await until(
    () => ended,
    () => `the end, after ${received} bytes`,
  );
  strictEqual(received, reply.length);
  await until(() => server.closes.length === 1, "close");
  socket.destroy();
  listener.close();
}

async function earlyAnswer(runtime: Runtime): Promise<void> {
  const { server, listener, socket } = await rawClient(runtime, { allowHalfOpen: true });
  server.onData = () => {
    server.onData = undefined;
    server.stream.write(encode("enough"));
    server.stream.end();
  };
  let answer = "";
  let ended = false;
  socket.on("data", (bytes) => void (answer += bytes));
  socket.on("end", () => void (ended = true));
  socket.on("error", () => void (ended = true));
  for (let i = 0; i < 16; i++) socket.write(noise(64 * 1024));
  await until(() => ended, "the end");
  strictEqual(answer, "enough");
  socket.destroy();
  await until(() => server.closes.length === 1, "close");
  listener.close();
}

/** A server of ours with a client of `node:net`, which can do what ours cannot. */
async function rawClient(
  runtime: Runtime,
  options: { allowHalfOpen?: boolean },
): Promise<{ server: End; listener: TcpListener; socket: net.Socket }> {
  const servers: End[] = [];
  const listener = await listen(runtime, servers);
  const socket = net.connect({ host: "127.0.0.1", port: listener.port, ...options });
  socket.on("error", () => {});
  await until(() => servers.length === 1, "the connection");
  return { server: servers[0]!, listener, socket };
}

async function aborts(runtime: Runtime): Promise<void> {
  const servers: End[] = [];
  const listener = await listen(runtime, servers);
  const reason = new Error("changed my mind");
  await rejects(connect(runtime, { port: listener.port, signal: AbortSignal.abort(reason) }), reason);
  strictEqual(servers.length, 0);
  // A server that never answers the TLS handshake.
  const abort = new AbortController();
  const connecting = connect(runtime, { port: listener.port, tls: true, signal: abort.signal });
  connecting.catch(() => {});
  await until(() => servers.length === 1, "the connection");
  abort.abort(reason);
  await rejects(within(connecting, "the rejection"), reason);
  // Deno keeps the socket for a last word, which TLS cannot say before the handshake is over.
  if (runtime.name === "deno") servers[0]!.stream.destroy();
  await until(() => servers[0]!.closes.length === 1, "the server is told");
  listener.close();
}

async function withPair(runtime: Runtime, use: (pair: Pair) => Promise<void>): Promise<void> {
  const servers: End[] = [];
  const listener = await listen(runtime, servers);
  const client = await connect(runtime, { port: listener.port });
  await until(() => servers.length === 1, "accept");
  const server = servers[0]!;
  try {
    await use({ listener, server, client });
  } finally {
    client.stream.end();
    server.onData = undefined;
    server.stream.resume();
    await closed(server, client).finally(() => listener.close());
  }
}

/** Both ends are told, once. */
async function closed(...ends: End[]): Promise<void> {
  await until(
    () => ends.every((end) => end.closes.length > 0),
    () => `closes: ${ends.map((end) => end.closes.length)}`,
  );
  for (const end of ends) strictEqual(end.closes.length, 1);
}

function listen(runtime: Runtime, ends: End[], hostname = "127.0.0.1"): Promise<TcpListener> {
  return runtime.listen({ hostname, port: 0 }, (stream) => {
    const end = new End(stream);
    ends.push(end);
    return end.handlers;
  });
}

export async function connect(
  runtime: Runtime,
  options: Partial<ConnectOptions> & { port: number },
): Promise<End> {
  let made: End | undefined;
  await runtime.connect(
    { hostname: "127.0.0.1", tls: false, signal: new AbortController().signal, ...options },
    (stream) => {
      made = new End(stream);
      return made.handlers;
    },
  );
  return made!;
}
