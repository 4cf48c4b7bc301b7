/** `fetch` from over there beside the platform's, call by call: what the origin is sent, and what the caller is given. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { type Client, connectWebsocket, currentRuntime, type Fetch, localEnvironment } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { type Answer, Origin, type Seen } from "../support/origin.ts";

type Arguments = [input: string | URL | Request, init?: RequestInit | null];
type Call = (url: (path: string) => string) => Arguments;

const text = "squeezed ".repeat(1000);
const answer =
  (head: string, body: string | Uint8Array = ""): Answer =>
  (socket) => {
    socket.write(`HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`);
    socket.write(body);
  };
const coded = (coding: string, body: Uint8Array): Answer =>
  answer(`200 OK\r\ncontent-encoding: ${coding}`, body);

const answers: Record<string, Answer> = {
  "x-gzip": coded("x-gzip", gzipSync(text)),
  upper: coded("GZIP", gzipSync(text)),
  deflate: coded("deflate", deflateSync(text)),
  "raw-deflate": coded("deflate", deflateRawSync(text)),
  brotli: coded("br", brotliCompressSync(text)),
  "coded-nothing": coded("gzip", new Uint8Array(0)),
  members: coded("gzip", Buffer.concat([gzipSync("a"), gzipSync("b")])),
  "unknown-coding": coded("foo", Buffer.from("x")),
  reset: answer("205 Reset Content"),
  odd: answer("799 Odd", "odd"),
  nowhere: answer("302 Found", "no location"),
  head: answer("200 OK\r\ncontent-encoding: gzip", "xxx"),
};

/** What the platform writes to standard error about, or Bun has otherwise than the platform should. */
const more: Record<string, Answer> = {
  "bad-gzip": coded("gzip", Buffer.from("no gzip at all")),
  "cut-gzip": coded("gzip", gzipSync(text).subarray(0, 20)),
  // An event each time one is asked for, and no end.
  "gzip-events": (socket) => {
    const gzip = createGzip();
    socket.write("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n");
    gzip.on("data", (bytes) => socket.write(bytes));
    gzip.write("data: 1\n\n");
    gzip.flush();
  },
};

const streamOf = (...parts: string[]): ReadableStream => {
  const bytes = parts.map((part) => new TextEncoder().encode(part));
  return new ReadableStream({
    pull: (controller) => {
      const next = bytes.shift();
      if (next) controller.enqueue(next);
      else controller.close();
    },
  });
};
const failing = (): ReadableStream =>
  new ReadableStream({ pull: (controller) => controller.error(new RangeError("mine")) });
const endless = (): ReadableStream => new ReadableStream({ pull: () => new Promise(() => {}) });
const post = (body: unknown, more: object = {}): RequestInit =>
  ({ method: "POST", body, duplex: "half", ...more }) as RequestInit;

/** Each is made twice, by both, so each makes its own bodies and signals. */
const calls: Record<string, Call> = {
  "a URL": (url) => [new URL(url("/"))],
  "no init": (url) => [url("/"), null],
  "text that a URL cannot have": (url) => [url("/a b?c d=é")],
  "a Request": (url) => [new Request(url("/"), post("of a Request", { headers: { "x-a": "1" } }))],
  "a Request with a stream": (url) => [new Request(url("/"), post(streamOf("a", "b")))],
  "a Request and other headers": (url) => [
    new Request(url("/"), post("body", { headers: { "x-a": "1" } })),
    { headers: { "x-b": "2" } },
  ],
  "a Request and another body": (url) => [new Request(url("/"), post("first")), post("second")],
  "a method in lower case": (url) => [url("/"), { method: "delete" }],
  PROPFIND: (url) => [url("/"), { method: "PROPFIND", body: "x" }],
  "POST without a body": (url) => [url("/"), { method: "POST" }],
  "PUT without a body": (url) => [url("/"), { method: "PUT" }],
  "an empty body": (url) => [url("/"), post("")],
  "a body of null": (url) => [url("/"), post(null)],
  "a text": (url) => [url("/"), post("té")],
  "an ArrayBuffer": (url) => [url("/"), post(new Uint8Array([65, 66]).buffer)],
  "a DataView": (url) => [url("/"), post(new DataView(new Uint8Array([65, 66, 67]).buffer, 1))],
  URLSearchParams: (url) => [url("/"), post(new URLSearchParams({ a: "b c" }))],
  "a Blob": (url) => [url("/"), post(new Blob(["zz"], { type: "text/q" }))],
  "a Blob without a type": (url) => [url("/"), post(new Blob(["zz"]))],
  "a stream": (url) => [url("/"), post(streamOf("ab", "cd"))],
  "a generator": (url) => [
    url("/"),
    post(
      (async function* () {
        yield new TextEncoder().encode("generated");
      })(),
    ),
  ],
  "a type of one's own": (url) => [url("/"), post(new Blob(["{}"]), { headers: { "content-type": "a/b" } })],
  "headers that are repeated": (url) => {
    const headers = new Headers([
      ["x-a", "1"],
      ["X-A", "2"],
      ["x-empty", ""],
      ["x-space", "  a  "],
    ]);
    return [url("/"), { headers }];
  },
  "headers that are mostly not said": (url) => [
    url("/"),
    { headers: { "user-agent": "me", accept: "x/y", "accept-encoding": "identity", host: "a.test" } },
  ],
  "a wrong length": (url) => [url("/"), post("abc", { headers: { "content-length": "2" } })],
  "credentials in the URL": (url) => [url("/").replace("//", "//us%40:p%20w@")],
  "credentials in both": (url) => [
    url("/").replace("//", "//u:p@"),
    { headers: { authorization: "Bearer z" } },
  ],
  "HEAD and a coding": (url) => [url("/head"), { method: "HEAD" }],
  ...Object.fromEntries(
    [
      ...Object.keys(answers),
      "beyond",
      "cookies",
      "until-close",
      "status/204",
      "status/304",
      "status/500",
      "early",
    ].map((path) => [path, (url: (path: string) => string): Arguments => [url(`/${path}`)]]),
  ),
  ...Object.fromEntries(
    [301, 302, 303, 307, 308].flatMap((status) =>
      ["GET", "HEAD", "POST", "PUT", "DELETE"].map((method) => [
        `${status} to ${method}`,
        (url: (path: string) => string): Arguments => [
          url(`/to/${status}/%2F`),
          method.startsWith("P")
            ? { method, body: "body", headers: { "content-type": "a/b", "x-own": "1" } }
            : { method },
        ],
      ]),
    ),
  ),
  "300 and a location": (url) => [url("/to/300/%2F")],
  "a redirect to oneself with credentials": (url) => [url("/to/302/%2F").replace("//", "//u:p@")],
  "a redirect to another scheme": (url) => [url(`/to/302/${encodeURIComponent("ftp://x/")}`)],
  "a redirect to no URL": (url) => [url(`/to/302/${encodeURIComponent("http://[zz/")}`)],
  "a redirect after a stream": (url) => [url("/to/303/%2F"), post(streamOf("q"))],
  "GET with a body": (url) => [url("/"), { body: "x" }],
  "HEAD with a body": (url) => [url("/"), { method: "HEAD", body: "x" }],
  "a header with a line end": (url) => [url("/"), { headers: { "x-a": "a\nb" } }],
  "no URL": () => ["/nowhere"],
  "an empty URL": () => [""],
  "another scheme": () => ["ftp://127.0.0.1/"],
  "what cannot be reached": () => ["http://127.0.0.1:1/"],
  "cut in the middle": (url) => [url("/cut")],
  "cut between chunks": (url) => [url("/cut-chunk")],
  "a stream that fails": (url) => [url("/"), post(failing())],
  "a signal of before": (url) => [url("/"), { signal: AbortSignal.abort() }],
  "a signal with a reason": (url) => [url("/"), { signal: AbortSignal.abort("why") }],
  "a signal in the middle": (url) => [url("/silent"), { signal: AbortSignal.timeout(100) }],
  "a signal while the body is read": (url) => [
    url("/"),
    post(endless(), { signal: AbortSignal.timeout(100) }),
  ],
};

/** Of an error, what kind it is; everything else as it is. */
const kind = (error: unknown): unknown =>
  error instanceof Error ? (error instanceof TypeError ? "TypeError" : error.name) : error;

/** What does not depend on how the body came. */
function own(headers: Headers): string[] {
  const ofTheWay = ["content-length", "content-encoding", "transfer-encoding", "connection"];
  return [...headers].filter(([name]) => !ofTheWay.includes(name)).map((line) => line.join(": "));
}

async function facts(response: Response): Promise<unknown> {
  const { status, ok, redirected, url } = response;
  const clone = response.clone();
  const members = { status, ok, redirected, url, headers: own(response.headers) };
  expect({ ...members, status: clone.status, url: clone.url }).toEqual(members);
  expect([clone.ok, clone.redirected]).toEqual([ok, redirected]);
  const [body, cloned] = await Promise.all([response, clone].map((one) => one.text().catch(kind)));
  expect(cloned).toEqual(body!);
  return { ...members, hasBody: response.body !== null, body };
}

/** The requests that came, without what the runtimes say of themselves. */
function sent(seen: readonly Seen[]): unknown {
  return seen.map(({ line, headers, body }) => {
    const lines = headers.map((header) => header.replace(/^[^:]*/, (name) => name.toLowerCase()));
    const isChunked = lines.some((header) => header.startsWith("transfer-encoding: chunked"));
    const ofOthers =
      /^(connection|content-length|transfer-encoding|accept-encoding: gzip|user-agent: (Bun|exec-server))/;
    return {
      line,
      headers: lines.filter((header) => !ofOthers.test(header)).sort(),
      // Bun says so for every method; who has an effect must.
      saysNothingComes: /^(POST|PUT) /.test(line) && lines.includes("content-length: 0"),
      body: isChunked ? body.replace(/[\da-f]+\r\n([^\r]*)\r\n/g, "$1").trim() : body,
    };
  });
}

function callTests(get: () => { fetch: Fetch; origin: Origin; id: string }): void {
  verifies("fetch: every call sends and gives what the platform's does", async () => {
    const { fetch: ours, origin, id } = get();
    const known: Record<string, string[]> = {
      // It follows redirects by itself.
      "codex-0.138.0": Object.keys(calls).filter((name) => /redirect|^30[^0]|^beyond$/.test(name)),
      // What is beyond ASCII in a header does not come over the wire.
      "codex-0.169.0": ["beyond"],
    };
    const outcome = async (one: typeof fetch | Fetch, call: Call): Promise<unknown> => {
      origin.seen.length = 0;
      const [input, init] = call((path) => origin.url(path));
      const used = (): unknown => input instanceof Request && input.bodyUsed;
      const pending = (one as Fetch)(input, init as RequestInit).then(facts, (error) => ({
        rejected: kind(error),
      }));
      const given = await within(5000, "an answer", pending);
      return { given, used: used(), sent: sent(origin.seen) };
    };
    const names = Object.keys(calls).filter((name) => !known[id]?.includes(name));
    const given: Record<string, unknown> = {};
    const wanted: Record<string, unknown> = {};
    for (const name of names) {
      wanted[name] = await outcome(fetch, calls[name]!);
      given[name] = await outcome(ours, calls[name]!);
    }
    expect(given).toEqual(wanted);
  });

  verifies("fetch: a method is sent as it is said, or refused, and a fragment is nobody's", async () => {
    const { fetch: ours, origin } = get();
    origin.seen.length = 0;
    const { url } = await ours(origin.url("/own#fragment"), { method: "own" });
    expect([url, origin.seen[0]!.line]).toEqual([origin.url("/own"), "own /own HTTP/1.1"]);
    for (const method of ["A B", "", "CONNECT", "trace"]) {
      expect([method, await ours(origin.url("/"), { method }).catch(kind)]).toEqual([method, "TypeError"]);
    }
    expect(origin.seen).toHaveLength(1);
  });

  verifies("fetch: what cannot be decoded is an error, and what can be comes at once", async () => {
    const { fetch: ours, origin } = get();
    for (const path of ["/bad-gzip", "/cut-gzip"]) {
      const error = await (await ours(origin.url(path))).text().catch((thrown) => thrown);
      expect([path, kind(error), error.code]).toEqual([path, "TypeError", "ERR_HTTP_BODY"]);
    }
    const abort = new AbortController();
    const response = await ours(origin.url("/gzip-events"), { signal: abort.signal });
    const reader = response.body!.getReader();
    const first = await within(5000, "the first event", reader.read());
    expect(new TextDecoder().decode(first.value)).toBe("data: 1\n\n");
    const next = reader.read().catch((error) => error);
    const reason = new Error("enough");
    abort.abort(reason);
    expect(await within(5000, "the end of the body", next)).toBe(reason);
  });

  verifies("fetch: a body that has no end is not read on when it is too long to be sent", async () => {
    const { fetch: ours, origin } = get();
    let isCancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(8 * 1024 * 1024)),
      cancel: () => {
        isCancelled = true;
      },
    });
    const error = await ours(origin.url("/"), post(body)).catch((thrown) => thrown);
    expect([kind(error), error.cause.code, isCancelled]).toEqual(["TypeError", "ERR_UNSUPPORTED", true]);
  });
}

suite("fetch calls", { transports: ["websocket"] }, (t) => {
  let origin: Origin;
  let client: Client;
  beforeAll(async () => {
    origin = await Origin.start({ answers: { ...answers, ...more } });
    client = await connectWebsocket(await currentRuntime(), { url: t.listening.url });
    t.closing.push(() => client.close());
  });
  afterAll(async () => await origin.close());
  callTests(() => ({ fetch: client.fetch, origin, id: t.id }));
});

describe("fetch calls here", () => {
  let origin: Origin;
  let local: ReturnType<typeof localEnvironment>;
  beforeAll(async () => {
    origin = await Origin.start({ answers: { ...answers, ...more } });
    local = localEnvironment(await currentRuntime());
  });
  afterAll(async () => {
    await local.close();
    await origin.close();
  });
  callTests(() => ({ fetch: local.fetch, origin, id: "local" }));
});
