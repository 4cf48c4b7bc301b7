/**
 * Which HTTP client can do what `http/request` asks for, and how fast: each is held to the wire, on the runtime that
 * runs this. `ours` is that of `lib/http`.
 * `bun tests/bench/http_clients.ts`, `deno run -A tests/bench/http_clients.ts`. `undici` is tried where it is installed.
 */

import { Buffer } from "node:buffer";
import { Agent, request as nodeRequest } from "node:http";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { Cancellation } from "../../lib/http/cancellation.ts";
import { ConnectionPool } from "../../lib/http/connection_pool.ts";
import { exchange } from "../../lib/http/exchange.ts";
import { RequestHeaders } from "../../lib/http/headers.ts";
import type { Answer } from "../../lib/http/origin_connection.ts";
import { HttpPolicy } from "../../lib/http/policy.ts";
import { currentRuntime } from "../../lib/runtime/runtime.ts";
import { quantile, samples } from "./statistics.ts";

interface Reply {
  headers: [string, string][];
  body: AsyncIterable<Uint8Array>;
}

/** Asks `url` at the loopback address, whatever its name. */
type Ask = (url: string, headers: [string, string][], body?: string) => Promise<Reply>;

const runtime = await currentRuntime();
const policy = new HttpPolicy();
const pool = new ConnectionPool();
const agent = new Agent({ keepAlive: true });

const clients: Record<string, Ask> = {
  ours: async (url, headers, body) => {
    const answer = await exchange(
      {
        method: body === undefined ? "GET" : "POST",
        url: new URL(url),
        headers: RequestHeaders.from(
          headers.map(([name, value]) => ({ name, value })),
          () => "",
        ),
        body: body === undefined ? undefined : Buffer.from(body),
      },
      pool,
      {
        ...{ runtime, policy, proxy: undefined, ca: undefined },
        cancellation: new Cancellation(),
        resolve: async () => [{ address: "127.0.0.1", family: 4 }],
      },
    );
    const pairs = answer.rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name, answer.rawHeaders[i + 1]!] as [string, string]] : [],
    );
    return { headers: pairs, body: piecesOf(answer.body) };
  },
  fetch: async (url, headers, body) => {
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers,
      ...(body === undefined ? {} : { body }),
    });
    return { headers: [...response.headers], body: response.body as unknown as Reply["body"] };
  },
  "node:http": (url, headers, body) =>
    new Promise((resolve, reject) => {
      const request = nodeRequest(
        url,
        {
          method: body === undefined ? "GET" : "POST",
          headers: headers.flat() as never,
          agent,
          lookup: ((_name: string, options: { all?: boolean }, done: (...args: unknown[]) => void) =>
            options.all
              ? done(null, [{ address: "127.0.0.1", family: 4 }])
              : done(null, "127.0.0.1", 4)) as never,
        },
        (response) => {
          const raw = response.rawHeaders;
          const pairs = raw.flatMap((name, i) =>
            i % 2 === 0 ? [[name, raw[i + 1]!] as [string, string]] : [],
          );
          resolve({ headers: pairs, body: response as never });
        },
      );
      request.on("error", reject);
      request.end(body);
    }),
};

async function* piecesOf(body: Answer["body"]): AsyncGenerator<Uint8Array> {
  for (let piece = await body.read(); piece; piece = await body.read()) yield piece;
}

try {
  const name = "undici";
  const { Client } = await import(name);
  clients.undici = async (url, headers, body) => {
    const target = new URL(url);
    const client = new Client(target.origin, {
      connect: {
        lookup: (_name: string, _options: unknown, done: (...args: unknown[]) => void) =>
          done(null, [{ address: "127.0.0.1", family: 4 }]),
      },
    });
    const answer = await client.request({
      path: target.pathname,
      method: body === undefined ? "GET" : "POST",
      headers: headers.flat(),
      body,
    });
    return { headers: Object.entries(answer.headers) as [string, string][], body: answer.body };
  };
} catch {
  // Not installed.
}

let lastHead = "";
let sent = 0;
/** Answers by the path, with bytes of our own. */
const server = createServer((socket: Socket) => {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    if (!text.includes("\r\n\r\n")) return;
    lastHead = text;
    const path = text.split(" ")[1];
    text = "";
    if (path === "/gzip") {
      const body = gzipSync("hello");
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(body);
    } else if (path === "/flood") {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (!socket.destroyed && sent < 300e6) {
          sent += piece.length;
          if (!socket.write(piece)) return void socket.once("drain", more);
        }
        socket.end();
      };
      more();
    } else {
      socket.write(
        "HTTP/1.1 200 OK\r\nB: 1\r\nset-cookie: x=1\r\nA: 2\r\nset-cookie: y=2\r\ncontent-length: 2\r\n\r\nok",
      );
    }
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as { port: number };
const base = `http://127.0.0.1:${port}`;

async function text(reply: Reply): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reply.body) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** Each answers what is wrong, or nothing. */
const questions: Record<string, (ask: Ask) => Promise<string | undefined>> = {
  "headers in the order given, repeats apart": async (ask) => {
    const headers: [string, string][] = [
      ["x-z", "1"],
      ["x-a", "2"],
      ["x-a", "3"],
    ];
    await text(await ask(`${base}/`, headers));
    const seen = lastHead
      .toLowerCase()
      .split("\r\n")
      .filter((line) => line.startsWith("x-"))
      .join("; ");
    return seen === "x-z: 1; x-a: 2; x-a: 3" ? undefined : seen;
  },
  "nothing added but host and accept": async (ask) => {
    await text(await ask(`${base}/`, [["accept", "*/*"]]));
    const names = lastHead
      .trim()
      .split("\r\n")
      .slice(1)
      .map((line) => line.split(":")[0]!.toLowerCase());
    const added = names.filter((name) => name !== "host" && name !== "accept");
    return added.length === 0 ? undefined : added.join(", ");
  },
  "Host of the caller": async (ask) => {
    await text(await ask(`${base}/`, [["host", "other.test"]]));
    return /^host: other\.test\r$/im.test(lastHead) ? undefined : /^host:.*$/im.exec(lastHead)?.[0]?.trim();
  },
  "Connection of the caller": async (ask) => {
    await text(await ask(`${base}/`, [["connection", "x-own"]]));
    return /^connection: x-own\r$/im.test(lastHead)
      ? undefined
      : String(/^connection:.*$/im.exec(lastHead)?.[0]?.trim());
  },
  "Transfer-Encoding of the caller": async (ask) => {
    await text(await ask(`${base}/`, [["transfer-encoding", "chunked"]], "body"));
    return /^transfer-encoding: chunked\r$/im.test(lastHead) ? undefined : "not sent";
  },
  "answer's headers as they came": async (ask) => {
    const reply = await ask(`${base}/`, []);
    const { headers } = reply;
    await text(reply);
    const seen = headers
      .map(([name, value]) => `${name}: ${value}`.toLowerCase())
      .slice(0, 4)
      .join("; ");
    return seen === "b: 1; set-cookie: x=1; a: 2; set-cookie: y=2" ? undefined : seen;
  },
  "no decompression": async (ask) => {
    const body = await text(await ask(`${base}/gzip`, []));
    return body === "hello" ? "decompressed" : undefined;
  },
  "connects to the address that was checked": async (ask) => {
    return (await text(await ask(`http://name.invalid:${port}/`, []))) === "ok" ? undefined : "no";
  },
  "holds a fast origin back": async (ask) => {
    sent = 0;
    const reply = await ask(`${base}/flood`, []);
    const iterator = reply.body[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 700));
    const took = sent;
    await iterator.return?.();
    return took < 50e6 ? undefined : `took ${Math.round(took / 1e6)} MB unread`;
  },
};

console.log(process.versions.bun ? `Bun ${process.versions.bun}` : `Deno ${process.versions.deno}`);
for (const [name, ask] of Object.entries(clients)) {
  console.log(`\n${name}`);
  for (const [question, check] of Object.entries(questions)) {
    let found: string | undefined;
    const timer = Promise.withResolvers<string>();
    const clock = setTimeout(() => timer.resolve("no answer in 5 s"), 5000);
    try {
      found = await Promise.race([check(ask), timer.promise]);
    } catch (error) {
      found =
        error instanceof Error
          ? `${error.message} ${(error as { code?: string }).code ?? ""}`
          : String(error);
    }
    clearTimeout(clock);
    console.log(
      `  ${found === undefined ? "yes" : "NO "} ${question}${found === undefined ? "" : ` (${found})`}`,
    );
  }
}

console.log("\nsmall requests one by one, after 500: p50, p99");
for (const [name, ask] of Object.entries(clients)) {
  const once = async (): Promise<void> => void (await text(await ask(`${base}/`, [["accept", "*/*"]])));
  try {
    await samples({ most: 500, least: 500, maxMs: 10_000 }, once);
    const found = await samples({ most: 100, least: 100, maxMs: 10_000 }, once);
    console.log(`  ${name}: ${Math.round(quantile(found, 0.5))} us, ${Math.round(quantile(found, 0.99))} us`);
  } catch {
    console.log(`  ${name}: no answer`);
  }
}
process.exit(0);
