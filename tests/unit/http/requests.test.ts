/** The requests of a connection, with a resolver that lies. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { toFailure } from "../../../lib/http/failure.ts";
import { type HttpOptions, HttpRequests } from "../../../lib/http/handlers.ts";
import { bunRuntime } from "../../../lib/runtime/bun.ts";
import { within } from "../../support/deadline.ts";
import { Origin } from "../../support/origin.ts";

let origin: Origin;
beforeAll(async () => {
  origin = await Origin.start();
});
afterAll(async () => await origin.close());

async function withRequests(
  options: HttpOptions,
  use: (requests: HttpRequests) => Promise<void>,
): Promise<void> {
  const requests = new HttpRequests(
    { send: () => {}, sendBase64: () => {}, ready: () => undefined },
    bunRuntime(),
    { env: {}, ...options },
  );
  try {
    await use(requests);
  } finally {
    requests.dispose();
  }
}

describe("a name that changes its mind", () => {
  test("is resolved once for a connection, which goes where was checked", async () => {
    const answers = ["127.0.0.1", "169.254.169.254"];
    const resolve = async () => [{ address: answers.shift()!, family: 4 }];
    await withRequests({ resolve }, async (requests) => {
      const url = `http://rebind.test:${origin.port}/`;
      const answer = await requests["http/request"]({ method: "GET", url, requestId: "a" });
      expect([answer.status, answers.length]).toEqual([200, 1]);
      // For a fresh connection it is checked anew.
      const other = { method: "GET", url: "http://rebind.test:9/", requestId: "b" };
      const third = await requests["http/request"](other).catch((error) => error);
      expect([third.code, third.data]).toEqual([-32600, { kind: "policy" }]);
    });
  });

  test("is checked for secured connections too", async () => {
    const resolve = async () => [{ address: "169.254.169.254", family: 4 }];
    await withRequests({ resolve }, async (requests) => {
      const asked = requests["http/request"]({ method: "GET", url: "https://rebind.test/", requestId: "a" });
      expect((await asked.catch((error) => error)).data).toEqual({ kind: "policy" });
    });
  });

  test("is tried by all its addresses, until one answers", async () => {
    const resolve = async () => ["127.0.0.9", "::1", "127.0.0.1"].map((address) => ({ address, family: 4 }));
    await withRequests({ resolve }, async (requests) => {
      const ask = (port: number) =>
        requests["http/request"]({ method: "GET", url: `http://several.test:${port}/`, requestId: "a" });
      expect((await ask(origin.port)).status).toBe(200);
      expect((await ask(1).catch((error) => error)).data).toEqual({ kind: "connect" });
    });
  });

  test("is connected to by its allowed addresses only", async () => {
    const resolve = async () => [
      { address: "169.254.169.254", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ];
    await withRequests({ resolve }, async (requests) => {
      const url = `http://both.test:${origin.port}/`;
      expect((await requests["http/request"]({ method: "GET", url, requestId: "a" })).status).toBe(200);
    });
  });
});

describe("a name that the system says nothing about", () => {
  const request = { method: "GET", url: "http://silent.test/", requestId: "a" };
  const silent = (): Promise<never> => new Promise(() => {});
  const env = { HTTP_PROXY: "http://127.0.0.1:9" };

  test.each([
    ["from here", {}],
    ["behind a proxy", { env }],
  ])("holds no request longer than its time, %s", async (_, options) => {
    await withRequests({ ...options, resolve: silent }, async (requests) => {
      const asked = requests["http/request"]({ ...request, timeoutMs: 20 }).catch((error) => error);
      expect((await within(3000, "answer", asked)).data).toEqual({ kind: "timeout" });
    });
  });

  test("holds none that is cancelled, and may fail afterwards", async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    await withRequests({ resolve: () => promise }, async (requests) => {
      const asked = requests["http/request"](request).catch((error) => error);
      expect(requests["http/request/cancel"]({ requestId: "a" })).toEqual({ cancelled: true });
      expect((await within(3000, "answer", asked)).data).toEqual({ kind: "cancelled" });
      reject(new Error("no such name"));
    });
  });
});

describe("a connection that was kept and turns out closed", () => {
  test("is no failure of a request that may be sent again", async () => {
    await withRequests({}, async (requests) => {
      const ask = (method: string) =>
        requests["http/request"]({ method, url: origin.url("/once"), requestId: method });
      expect((await ask("GET")).status).toBe(200);
      expect((await ask("GET")).status).toBe(200);
    });
  });

  test.each(["POST", "PUT", "DELETE", "PATCH"])("fails a %s, which is sent once", async (method) => {
    await withRequests({}, async (requests) => {
      origin.seen.length = 0;
      const ask = () =>
        requests["http/request"]({
          method,
          url: origin.url("/once"),
          requestId: "p",
          bodyBase64: new Uint8Array(1),
        });
      expect((await ask()).status).toBe(200);
      const failure = await ask().catch((error) => error);
      expect(failure.data).toEqual({ kind: "protocol" });
      expect(origin.seen).toHaveLength(2);
    });
  });
});

test("a redirect whose body has no end keeps no connection when the request is done", async () => {
  const stalled = "HTTP/1.1 302 Found\r\nlocation: /status/200\r\ncontent-length: 100\r\n\r\nmove";
  const other = await Origin.start({ answers: { stalled: (socket) => void socket.write(stalled) } });
  try {
    await withRequests({}, async (requests) => {
      const url = other.url("/stalled");
      expect((await requests["http/request"]({ method: "GET", url, requestId: "a" })).status).toBe(200);
      await within(3000, "end of the connection", other.seen[0]!.gone);
      expect(other.seen).toHaveLength(2);
    });
  } finally {
    await other.close();
  }
});

test("the kind of a failure is told by its code, else by what was going on", () => {
  const kind = (code: string, phase: "connect" | "tls" | "protocol") =>
    toFailure(Object.assign(new Error("x"), { code }), phase).kind;
  expect(kind("ENOTFOUND", "connect")).toBe("dns");
  expect(kind("EAI_AGAIN", "connect")).toBe("dns");
  expect(kind("ECONNREFUSED", "connect")).toBe("connect");
  expect(kind("ETIMEDOUT", "connect")).toBe("connect");
  expect(kind("ECONNRESET", "connect")).toBe("connect");
  expect(kind("ECONNRESET", "tls")).toBe("tls");
  expect(kind("ECONNRESET", "protocol")).toBe("protocol");
  expect(kind("CERT_HAS_EXPIRED", "connect")).toBe("tls");
  expect(kind("ERR_TLS_CERT_ALTNAME_INVALID", "protocol")).toBe("tls");
  expect(kind("HPE_INVALID_CONSTANT", "protocol")).toBe("protocol");
  const several = new AggregateError([Object.assign(new Error("refused"), { code: "ECONNREFUSED" })]);
  expect(toFailure(several, "tls").kind).toBe("connect");
});
