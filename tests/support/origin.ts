/** An HTTP server that says what it is told to, byte by byte, and remembers what it was sent. */

import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { gzipSync } from "node:zlib";
import type { Certificates } from "./certificates.ts";
import { until } from "./deadline.ts";

/** One request as it came. */
export interface Seen {
  /** The first line. */
  line: string;
  /** Header lines as they came. */
  headers: string[];
  body: string;
  /** Settles when its connection has ended. */
  gone: Promise<void>;
}

/** Answers one request on its socket. */
export type Answer = (socket: Socket, path: string, seen: Seen) => void;

const ok = (body: string, headers = ""): string =>
  `HTTP/1.1 200 OK\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/** By the first part of the path. */
const answers: Record<string, Answer> = {
  // /to/STATUS/LOCATION: a redirect.
  to: (socket, path) => {
    const [, , status, ...location] = path.split("/");
    const to = decodeURIComponent(location.join("/"));
    socket.write(`HTTP/1.1 ${status} Moved\r\nlocation: ${to}\r\ncontent-length: 4\r\n\r\nmove`);
  },
  // A location in UTF-8.
  beyond: (socket) => void socket.write("HTTP/1.1 302 Found\r\nlocation: /é\r\ncontent-length: 0\r\n\r\n"),
  loop: (socket) => void socket.write("HTTP/1.1 302 Found\r\nlocation: /loop\r\ncontent-length: 0\r\n\r\n"),
  status: (socket, path) => {
    const status = path.split("/")[2];
    const noBody = status === "204" || status === "304";
    socket.write(
      `HTTP/1.1 ${status} Some\r\n${noBody ? "" : "content-length: 2\r\n"}\r\n${noBody ? "" : "ok"}`,
    );
  },
  headers: (socket) => {
    const lines = "B: 1\r\nX-Bad: \xe9\r\nA: 2\r\nb: 3\r\nX-Tab: a\tb\r\nConnection: keep-alive\r\n";
    socket.write(Buffer.from(ok("ok", lines), "latin1"));
  },
  cookies: (socket) => void socket.write(ok("ok", "set-cookie: a=1\r\nset-cookie: b=2\r\n")),
  many: (socket) => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `x-${i}: ${i}\r\n`).join("");
    socket.write(ok("ok", lines));
  },
  gzip: (socket) => {
    const body = gzipSync("squeezed ".repeat(1000));
    socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
  },
  early: (socket) => void socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${ok("ok")}`),
  upgrade: (socket) =>
    void socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
  junk: (socket) => void socket.end("this is no HTTP\r\n\r\n"),
  nothing: (socket) => void socket.end(),
  hang: () => {},
  // The first request of a connection is answered, the second finds it closed.
  once: (socket) => {
    const known = socket as Socket & { wasAsked?: boolean };
    if (known.wasAsked) socket.destroy();
    else socket.write(ok("ok"));
    known.wasAsked = true;
  },
  cut: (socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"),
  "cut-chunk": (socket) => void socket.end(`${chunked}${chunk("abc")}`),
  "bad-chunk": (socket) => void socket.end(`${chunked}${chunk("abc")}zz\r\n`),
  "until-close": (socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nto the end"),
  // The same, but for the orderly end.
  reset: (socket) =>
    void socket.write("HTTP/1.1 200 OK\r\n\r\nnot to the end", () =>
      setTimeout(() => socket.resetAndDestroy(), 50),
    ),
  // An answer, and one to a request that was never made.
  twice: (socket) => void socket.write(ok("first") + ok("smuggled")),
  // The same, when the connection is already free.
  later: (socket) => {
    socket.write(ok("first"));
    setTimeout(() => socket.write(ok("smuggled")), 30);
  },
  // More than was said: what is behind belongs to nobody.
  longer: (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef"),
  // /bytes/N: so many bytes, of which each tells its place.
  bytes: (socket, path) => flood(socket, Number(path.split("/")[2])),
  // /events/N/MS: so many events, one every so many milliseconds; without end for N = 0.
  events: (socket, path) => {
    const [, , count, ms] = path.split("?")[0]!.split("/").map(Number) as [number, number, number, number];
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(chunk(`data: ${++sent}\n\n`));
      if (sent !== count) return;
      clearInterval(timer);
      socket.write("0\r\n\r\n");
    }, ms);
    socket.on("close", () => clearInterval(timer));
  },
  // Headers at once, the body never.
  silent: (socket) => void socket.write(chunked),
};

/** The byte at a place of the flood. */
export function floodByte(place: number): number {
  return (place * 31 + (place >> 8)) & 0xff;
}

const floodPiece = 65_536;
const floodBytes = Buffer.from(Uint8Array.from({ length: 65_536 * 2 }, (_, i) => floodByte(i & 0xffff)));

function flood(socket: Socket, size: number): void {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
  let sent = 0;
  const more = (): void => {
    while (sent < size && !socket.destroyed) {
      const length = Math.min(floodPiece, size - sent);
      sent += length;
      if (!socket.write(floodBytes.subarray(0, length))) return void socket.once("drain", more);
    }
  };
  more();
}

export class Origin {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers: Record<string, Answer>;
  readonly #scheme: string;
  /** Every request, oldest first. */
  readonly seen: Seen[] = [];
  /** Connections that were ever made. */
  connections = 0;

  /** What the system has taken of all answers. */
  get sentBytes(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
  }

  private constructor(certificates: Certificates | undefined, more: Record<string, Answer>) {
    this.#answers = { ...answers, ...more };
    this.#scheme = certificates ? "https" : "http";
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = certificates
      ? createSecureServer({ key: certificates.key, cert: certificates.certificate }, accept)
      : createServer(accept);
    this.#server.on("tlsClientError", () => {});
  }

  static async start(
    options: { certificates?: Certificates; answers?: Record<string, Answer>; hostname?: string } = {},
  ): Promise<Origin> {
    const origin = new Origin(options.certificates, options.answers ?? {});
    await new Promise<void>((resolve) => origin.#server.listen(0, options.hostname ?? "127.0.0.1", resolve));
    return origin;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  url(path: string, host = "127.0.0.1"): string {
    return `${this.#scheme}://${host}:${this.port}${path}`;
  }

  /** Waits until a path has been asked for. */
  async waitFor(path: string, ms = 3000): Promise<Seen> {
    return await until(ms, `request for ${path}`, () =>
      this.seen.find(({ line }) => line.split(" ")[1] === path),
    );
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    const gone = Promise.withResolvers<void>();
    socket.on("close", () => {
      this.#sockets.delete(socket);
      gone.resolve();
    });
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      for (;;) {
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) return;
        const [line = "", ...headers] = text.slice(0, end).split("\r\n");
        const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
        const isChunked = headers.some((header) => /^transfer-encoding: *chunked/i.test(header));
        const rest = text.slice(end + 4);
        const bodyEnd = isChunked ? rest.indexOf("0\r\n\r\n") + 5 : length;
        if (rest.length < bodyEnd || (isChunked && bodyEnd === 4)) return;
        const seen = { line, headers, body: rest.slice(0, bodyEnd), gone: gone.promise };
        text = rest.slice(bodyEnd);
        this.seen.push(seen);
        const path = (line.split(" ")[1] ?? "/").replace(/^https?:\/\/[^/]*/, "");
        const answer = this.#answers[path.split(/[/?]/)[1] ?? ""];
        if (answer) answer(socket, path, seen);
        else
          socket.write(line.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" : ok("ok"));
      }
    });
  }
}
