/** HTTP requests from the server: small ones, a long body, and many bodies at a time. */

import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Case, type Family, type Figure, figure } from "../figure.ts";
import type { Json } from "../link.ts";
import { quantile, rate, samples, warmUp } from "../statistics.ts";

const SMALL = 100;
const LARGE_BYTES = 1_000_000_000;
const STREAMS = 50;
const STREAM_BYTES = 4_000_000;

/** Something that answers, for as long as the case runs. */
async function withOrigin<T>(bench: Bench, bytes: number, use: (url: string) => Promise<T>): Promise<T> {
  const path = join(bench.folder, "large");
  writeFileSync(path, "");
  truncateSync(path, bytes);
  const origin = Bun.spawn([process.execPath, join(import.meta.dir, "..", "http_origin.ts"), path], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const { value } = await origin.stdout.getReader().read();
    return await use(new TextDecoder().decode(value).trim());
  } finally {
    origin.kill("SIGKILL");
    await origin.exited;
  }
}

let last = 0;

/** Bytes of the body, once its last delta has come. */
class Streams {
  readonly #bench: Bench;
  readonly #open = new Map<
    string,
    { bytes: number; done: (bytes: number) => void; failed: (error: Error) => void }
  >();

  constructor(bench: Bench) {
    this.#bench = bench;
    bench.link.onNotification = (method, params, bytes) => this.#onDelta(method, params, bytes);
  }

  async get(url: string): Promise<number> {
    const requestId = `s${++last}`;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#open.set(requestId, { bytes: 0, done: resolve, failed: reject });
    await this.#bench.link.call("http/request", { method: "GET", url, requestId, streamResponse: true });
    return await promise;
  }

  #onDelta(method: string, params: Json, bytes: number): void {
    if (method !== "http/request/bodyDelta") return;
    const stream = this.#open.get(params.requestId);
    if (!stream) return;
    stream.bytes += bytes;
    if (!params.done) return;
    this.#open.delete(params.requestId);
    if (params.error) stream.failed(new Error(params.error));
    else stream.done(stream.bytes);
  }
}

const megabytesPerSecond = (id: string, title: string): Figure => figure(id, title, "MB/s", "higher");

const small: Case = {
  figures: [
    figure("http.small_p50_us", `${SMALL} small requests, one by one, p50`, "us", "lower"),
    figure("http.small_p99_us", `${SMALL} small requests, one by one, p99`, "us", "lower"),
    figure("http.small_per_s", "small requests, 16 on the way", "/s", "higher"),
  ],
  run: (bench) =>
    withOrigin(bench, 0, async (url) => {
      const ask = (): Promise<unknown> =>
        bench.link.ask("http/request", { method: "GET", url, requestId: `r${++last}` });
      await warmUp(bench.size, ask);
      // Of a hundred, the 99th percentile would be the worst.
      const found = await samples({ most: 10 * SMALL, least: SMALL, maxMs: 10_000 }, ask);
      const perSecond = await rate(bench.size(1000), 16, ask);
      return [quantile(found, 0.5), quantile(found, 0.99), perSecond];
    }),
};

const long: Case = {
  figures: [megabytesPerSecond("http.stream_mb_per_s", "a body of 1 GB, streamed")],
  deadlineMs: 120_000,
  run: (bench) => {
    const size = bench.size(LARGE_BYTES);
    return withOrigin(bench, size, async (url) => {
      const streams = new Streams(bench);
      // At its first long body a connection of the system has yet to find out how much it can carry.
      await streams.get(`${url}large`);
      const from = performance.now();
      const bytes = await streams.get(`${url}large`);
      if (bytes !== size) throw new Error(`${bytes} of ${size} bytes came`);
      return [bytes / 1e3 / (performance.now() - from)];
    });
  },
};

const many: Case = {
  figures: [megabytesPerSecond("http.streams50_mb_per_s", `${STREAMS} bodies of 4 MB at a time`)],
  deadlineMs: 120_000,
  run: (bench) => {
    const size = bench.size(STREAM_BYTES);
    return withOrigin(bench, size, async (url) => {
      const streams = new Streams(bench);
      const from = performance.now();
      const all = await Promise.all(Array.from({ length: STREAMS }, () => streams.get(`${url}large`)));
      if (all.some((bytes) => bytes !== size)) throw new Error("A body is not whole");
      return [(STREAMS * size) / 1e3 / (performance.now() - from)];
    });
  },
};

export const http: Family = {
  name: "http",
  title: "HTTP requests",
  transport: "websocket",
  methods: ["http/request"],
  cases: [small, long, many],
};
