/** `fetch` of a client and of an environment: as the platform's, but from over there. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { type Client, connectWebsocket, currentRuntime, type Fetch, localEnvironment } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { Origin } from "../support/origin.ts";

/** What can be known of a response. */
async function facts(response: Response): Promise<unknown> {
  const { status, ok, redirected, url } = response;
  return {
    status,
    ok,
    redirected,
    url,
    hasBody: response.body !== null,
    type: response.headers.get("content-type"),
    cookies: response.headers.getSetCookie(),
    text: await response.text(),
  };
}

/** Calls with their arguments, each of which the platform's `fetch` answers too. */
const common: [path: string, init?: RequestInit][] = [
  ["/"],
  ["/?a=b"],
  ["/cookies"],
  ["/gzip"],
  ["/status/204"],
  ["/status/304"],
  ["/status/404"],
  ["/until-close"],
  ["/", { method: "HEAD" }],
  ["/echo", { method: "POST", body: "text é" }],
  ["/echo", { method: "PUT", body: new Uint8Array([1, 2, 3]), headers: { "content-type": "a/b" } }],
  ["/echo", { method: "POST", body: new URLSearchParams({ a: "b c" }) }],
  ["/to/302/%2Fecho", { method: "POST", body: "gone" }],
  ["/to/307/%2Fecho", { method: "POST", body: "kept" }],
  ["/to/302/%2Fstatus%2F404"],
  ["/to/302/%2Fstatus%2F404", { redirect: "manual" }],
];

function fetchTests(
  get: () => { fetch: Fetch; origin: Origin; other: Origin; followsItself: boolean; cancels: boolean },
): void {
  verifies("fetch: gives what the platform's gives", async () => {
    const { fetch: ours, origin, followsItself } = get();
    for (const [path, init] of common) {
      if (followsItself && path.startsWith("/to/")) continue;
      const seen = await within(8000, `answer to ${path}`, ours(origin.url(path), init).then(facts));
      const wanted = await within(8000, `answer to ${path}`, fetch(origin.url(path), init).then(facts));
      expect([path, seen]).toEqual([path, wanted]);
    }
    const request = new Request(origin.url("/echo"), { method: "POST", body: "of a Request" });
    expect(await (await ours(request)).text()).toContain("of a Request");
  });

  verifies("fetch: gives up at redirects that were not wanted, and too many", async () => {
    const { fetch: ours, origin, other, followsItself } = get();
    if (followsItself) return;
    expect(ours(origin.url("/to/302/%2F"), { redirect: "error" })).rejects.toThrow(TypeError);
    expect(ours(origin.url("/loop"))).rejects.toThrow("too many redirects");
    const elsewhere = origin.url(`/to/302/${encodeURIComponent(other.url("/end"))}`);
    await ours(elsewhere, { headers: { authorization: "secret", "x-own": "1" } });
    const { headers } = other.seen.at(-1)!;
    expect(headers).toContain("x-own: 1");
    expect(headers.join()).not.toContain("secret");
  });

  verifies("fetch: streams a body as it comes, and a signal ends it", async () => {
    const { fetch: ours, origin, cancels } = get();
    const abort = new AbortController();
    const response = await ours(origin.url("/events/0/20?abort"), { signal: abort.signal });
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 1\n\n");
    const reason = new Error("enough");
    abort.abort(reason);
    const ended = (async () => {
      while (!(await reader.read()).done);
    })();
    expect(
      await within(
        3000,
        "end of the body",
        ended.catch((error) => error),
      ),
    ).toBe(reason);
    // The peer would wait for the head of the answer for ever, and do nothing else.
    if (!cancels) return;
    const waiting = new AbortController();
    const pending = ours(origin.url("/hang?abort"), { signal: waiting.signal });
    await origin.waitFor("/hang?abort");
    waiting.abort();
    const error = await within(
      3000,
      "rejection",
      pending.catch((thrown) => thrown),
    );
    expect(error.name).toBe("AbortError");
    expect(ours(origin.url("/"), { signal: AbortSignal.abort() })).rejects.toThrow();
  });

  verifies("fetch: a body that is cut rejects, and so does what cannot be reached", async () => {
    const { fetch: ours, origin } = get();
    const response = await ours(origin.url("/cut"));
    const failure = await response.text().catch((error) => error);
    expect(failure.code).toBe("ERR_HTTP_BODY");
    const refused = await ours("http://127.0.0.1:1/").catch((error) => error);
    expect(refused).toBeInstanceOf(TypeError);
    expect(refused.cause.code).toBe(-32603);
    const late = await ours(origin.url("/hang"), { timeoutMs: 100 }).catch((error) => error);
    expect(late).toBeInstanceOf(TypeError);
  });

  verifies("fetch: a long body is whole, and many run side by side", async () => {
    const { fetch: ours, origin } = get();
    const size = 12_000_000;
    const sizes = await Promise.all(
      Array.from(
        { length: 4 },
        async () => (await (await ours(origin.url(`/bytes/${size}`))).arrayBuffer()).byteLength,
      ),
    );
    expect(sizes).toEqual([size, size, size, size]);
  });
}

const echo = {
  echo: (
    socket: { write(text: string): unknown },
    _path: string,
    seen: { line: string; headers: string[]; body: string },
  ) => {
    const type = seen.headers
      .map((line) => line.toLowerCase())
      .find((line) => line.startsWith("content-type"));
    const body = `${seen.line.split(" ")[0]} ${type ?? "no type"} ${seen.body}`;
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body, "latin1")}\r\n\r\n`,
    );
    socket.write(body);
  },
};

suite("fetch", { transports: ["websocket"] }, (t) => {
  let origin: Origin;
  let other: Origin;
  let client: Client;

  beforeAll(async () => {
    origin = await Origin.start({ answers: echo });
    other = await Origin.start();
    client = await connectWebsocket(await currentRuntime(), { url: t.listening.url });
    t.closing.push(() => client.close());
  });
  afterAll(async () => {
    await origin.close();
    await other.close();
  });

  fetchTests(() => ({
    fetch: client.fetch,
    origin,
    other,
    followsItself: t.id === "codex-0.138.0",
    cancels: t.ours,
  }));

  verifies("fetch: a reader that is slow loses nothing and delays nothing", async () => {
    if (!t.ours) return;
    const response = await client.fetch(origin.url("/bytes/30000000"));
    const reader = response.body!.getReader();
    let size = (await reader.read()).value!.length;
    const quick = await within(3000, "an answer beside it", client.fetch(origin.url("/")));
    expect(await quick.text()).toBe("ok");
    for (let piece = await reader.read(); !piece.done; piece = await reader.read())
      size += piece.value.length;
    expect(size).toBe(30_000_000);
  });

  verifies("fetch: a body that nobody reads on is given up at the origin", async () => {
    if (!t.ours) return;
    const response = await client.fetch(origin.url("/events/0/20?cancel"));
    const { gone } = await origin.waitFor("/events/0/20?cancel");
    await response.body!.cancel();
    await within(3000, "end of the connection to the origin", gone);
  });

  verifies("fetch: the end of the connection ends its bodies", async () => {
    const mine = await connectWebsocket(await currentRuntime(), { url: t.listening.url });
    const response = await mine.fetch(origin.url("/events/0/20?gone"));
    await mine.close();
    const error = await within(
      3000,
      "failure",
      response.text().catch((thrown) => thrown),
    );
    expect(error.code).toBe("ERR_DISCONNECTED");
  });
});

describe("fetch here", () => {
  let origin: Origin;
  let other: Origin;
  let local: ReturnType<typeof localEnvironment>;

  beforeAll(async () => {
    origin = await Origin.start({ answers: echo });
    other = await Origin.start();
    local = localEnvironment(await currentRuntime());
  });
  afterAll(async () => {
    await local.close();
    await origin.close();
    await other.close();
  });

  fetchTests(() => ({ fetch: local.fetch, origin, other, followsItself: false, cancels: true }));
});
