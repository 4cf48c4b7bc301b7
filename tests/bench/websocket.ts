/**
 * Why the websocket is our own: the same echo through our channel over `Bun.listen`, and through `Bun.serve`, with the
 * same client, alternately. Run: `bun tests/bench/websocket.ts`. Ten seconds.
 */

import { currentRuntime } from "../../lib/runtime/runtime.ts";
import { upgradeBytes } from "../../lib/server/http.ts";
import { HttpHeadReader } from "../../lib/transport/http_head.ts";
import { WebsocketChannel } from "../../lib/transport/websocket_channel.ts";

const ROUNDS = 3;
const small = `{"id":1,"method":"x","params":{"processId":"${"p".repeat(150)}"}}`;
const large = `"${"a".repeat(1024 * 1024 - 2)}"`;

interface EchoServer {
  url: string;
  close(): void;
}

async function ours(): Promise<EchoServer> {
  const runtime = await currentRuntime();
  const listener = await runtime.listen({ hostname: "127.0.0.1", port: 0 }, (stream) => {
    const reader = new HttpHeadReader();
    let channel: WebsocketChannel | undefined;
    return {
      data: (bytes) => {
        if (channel) return channel.streamHandlers.data(bytes);
        const head = reader.feed(bytes);
        if (!head) return;
        stream.writeBorrowed(upgradeBytes(head.headers.get("sec-websocket-key")![0]!));
        const opened = new WebsocketChannel(stream, { role: "server", label: "bench" });
        channel = opened;
        opened.open({
          message: (text) => opened.send(text),
          undecodable: () => {},
          drained: () => {},
          closed: () => {},
        });
      },
      drain: () => channel?.streamHandlers.drain(),
      close: (error) => channel?.streamHandlers.close(error),
    };
  });
  return { url: `ws://127.0.0.1:${listener.port}`, close: () => listener.close() };
}

function bunServe(): EchoServer {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 400 })),
    websocket: {
      message: (socket, message) => void socket.send(message),
      maxPayloadLength: 64 * 1024 * 1024,
      backpressureLimit: 1024 * 1024 * 1024,
      perMessageDeflate: false,
    },
  });
  return { url: `ws://127.0.0.1:${server.port}`, close: () => void server.stop(true) };
}

/** Messages per second with so many on the way. */
async function rate(url: string, message: string, depth: number, total: number): Promise<number> {
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  let sent = 0;
  let received = 0;
  const done = Promise.withResolvers<void>();
  const start = performance.now();
  socket.addEventListener("message", () => {
    if (++received === total) done.resolve();
    else if (sent < total) {
      sent++;
      socket.send(message);
    }
  });
  for (; sent < depth; sent++) socket.send(message);
  await done.promise;
  const seconds = (performance.now() - start) / 1000;
  socket.close();
  return total / seconds;
}

const servers: [string, EchoServer][] = [
  ["ours", await ours()],
  ["Bun.serve", bunServe()],
];
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { url }] of servers) {
    const alone = await rate(url, small, 1, 5000);
    const many = await rate(url, small, 64, 60_000);
    const big = await rate(url, large, 4, 200);
    console.log(
      `${name.padEnd(10)} one at a time ${(1e6 / alone).toFixed(0)} us, 64 on the way ${(many / 1000).toFixed(0)} k/s, ` +
        `1 MiB both ways ${big.toFixed(0)} MiB/s`,
    );
  }
}
for (const [, server] of servers) server.close();
process.exit(0);
