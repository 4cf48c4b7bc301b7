/** Where `http/request` may go and with what: policy, lent variables, certificates, proxies. */

import { afterAll, beforeAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { call } from "../support/cli.ts";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import { Origin } from "../support/origin.ts";
import { type Json, StdioClient } from "../support/raw_client.ts";

let last = 0;

/** Asks a server that was started for it. */
async function askOne(
  t: Harness,
  options: { args?: string[]; env?: Record<string, string | undefined> },
  ...requests: { url: string; [name: string]: unknown }[]
): Promise<Json[]> {
  const client = new StdioClient(t.server, t.folder, {
    args: ["--listen", "stdio", ...(options.args ?? [])],
    ...(options.env ? { env: options.env } : {}),
  });
  await client.initialize();
  const answers: Json[] = [];
  for (const request of requests) {
    answers.push(await client.ask("http/request", { method: "GET", requestId: `r${++last}`, ...request }));
  }
  await (t.ours ? client.close() : client.running.stop());
  return answers;
}

const outcome = ({ result, error }: Json): unknown => result?.status ?? [error.code, error.data?.kind];

suite("http policy", { servers: ours, transports: ["stdio"] }, (t) => {
  let origin: Origin;

  beforeAll(async () => {
    origin = await Origin.start();
  });
  afterAll(async () => await origin.close());

  verifies("http policy: link-local and metadata addresses are refused, in whatever form", async () => {
    const hosts = [
      "169.254.169.254",
      "0xa9fea9fe",
      "2852039166",
      "169.254.43518",
      "[::ffff:169.254.169.254]",
      "[64:ff9b::a9fe:a9fe]",
      "[2002:a9fe:a9fe::1]",
      "0251.0376.0251.0376",
      "[64:ff9b:1::a9fe:a9fe]",
      "metadata.google.internal",
      "[fe80::1]",
      "[fd00:ec2::254]",
      "100.100.100.200",
    ];
    const answers = await askOne(
      t,
      {},
      ...hosts.map((host) => ({ url: `http://${host}/latest/`, timeoutMs: 2000 })),
    );
    expect(answers.map(outcome)).toEqual(hosts.map(() => [-32600, "policy"]));
    expect(answers[0].error.message).toBe(
      'http/request refused: this server makes no requests to "169.254.169.254" port 80: it is a link-local address, where clouds give out credentials',
    );
  });

  verifies("http policy: a redirect is asked about too", async () => {
    const url = origin.url(`/to/302/${encodeURIComponent("http://169.254.169.254/")}`);
    const [answer] = await askOne(t, {}, { url, timeoutMs: 2000 });
    expect(outcome(answer)).toEqual([-32600, "policy"]);
  });

  verifies("http policy: loopback is allowed, as processes reach it anyway", async () => {
    const [address, name] = await askOne(
      t,
      {},
      { url: origin.url("/") },
      { url: origin.url("/", "localhost") },
    );
    expect([outcome(address), outcome(name)]).toEqual([200, 200]);
  });

  verifies("http policy: --http-deny and --http-allow say where requests may go", async () => {
    const { port } = origin;
    const cases: [args: string[], host: string, allowed: boolean][] = [
      [["--http-deny", "127.0.0.0/8"], "127.0.0.1", false],
      [["--http-deny", "127.0.0.0/8"], "localhost", false],
      [["--http-deny", "127.0.0.0/8"], "[::ffff:7f00:1]", false],
      [["--http-deny", "127.0.0.0/8"], "0.0.0.0", false],
      [["--http-deny", "127.0.0.0/8"], "0", false],
      [["--http-deny", `*:${port}`], "localhost", false],
      [["--http-deny", "*:1"], "localhost", true],
      [["--http-deny", "localhost"], "LOCALHOST", false],
      [["--http-deny", "*"], "127.0.0.1", false],
      [["--http-allow", "127.0.0.1"], "localhost", true],
      [["--http-allow", "10.0.0.0/8"], "localhost", false],
      [["--http-allow", `localhost:${port}`], "localhost", true],
      [["--http-allow", "localhost:1"], "localhost", false],
      [["--http-allow", "other.test"], "127.0.0.1", false],
      [["--http-allow", "*", "--http-deny", "localhost"], "localhost", false],
      [["--http-allow", "*", "--http-deny", "localhost"], "127.0.0.1", true],
    ];
    for (const [args, host, allowed] of cases) {
      const [answer] = await askOne(t, { args }, { url: origin.url("/", host) });
      expect([args, host, outcome(answer)]).toEqual([args, host, allowed ? 200 : [-32600, "policy"]]);
    }
  });

  verifies("http policy: a rule that is none ends the server with status 2", async () => {
    for (const rule of ["", "a b", "http://x/", "1.2.3", "10.0.0.0/33", "x:0", "x:99999", "[::1"]) {
      const { status, stderr } = await call(["serve", "--http-allow", rule]);
      expect([rule, status, stderr.includes(`"--http-allow" has the value "${rule}"`)]).toEqual([
        rule,
        2,
        true,
      ]);
    }
  });

  verifies("http env: a header takes a variable that is lent, and no other", async () => {
    const header = (name: string): object => ({
      headers: [{ name: "Authorization", value: "Bearer ", valueEnvVar: name }],
    });
    const args = ["--http-env", "LENT", "--http-env", "UNSET"];
    const [lent, unset, other, redirected] = await askOne(
      t,
      { args, env: { LENT: "secret", OTHER: "more" } },
      { url: origin.url("/lent"), ...header("LENT") },
      { url: origin.url("/"), ...header("UNSET") },
      { url: origin.url("/"), ...header("OTHER") },
      {
        url: origin.url(`/to/302/${encodeURIComponent(origin.url("/elsewhere", "localhost"))}`),
        headers: [{ name: "x-key", value: "", valueEnvVar: "LENT" }],
      },
    );
    expect(outcome(lent)).toBe(200);
    expect(origin.seen.find(({ line }) => line.includes("/lent"))!.headers).toContain(
      "authorization: Bearer secret",
    );
    expect(unset.error).toEqual({
      code: -32602,
      message: "http/request header Authorization requires executor environment variable UNSET",
    });
    expect(other.error.code).toBe(-32602);
    expect(other.error.message).toContain("does not lend");
    expect(JSON.stringify(other)).not.toContain("more");
    expect(outcome(redirected)).toBe(200);
    const elsewhere = origin.seen.find(({ line }) => line.includes("/elsewhere"))!;
    expect(elsewhere.headers.join()).not.toContain("secret");
  });

  verifies("http env: is advertised where something is lent, and only there", async () => {
    for (const args of [[], ["--http-env", "LENT"]]) {
      const client = new StdioClient(t.server, t.folder, { args: ["--listen", "stdio", ...args] });
      await client.initialize();
      expect(client.info.capabilities.httpHeaderEnvVars).toBe(args.length > 0 ? true : undefined);
      expect((await client.call("environment/info")).capabilities).toEqual(client.info.capabilities);
      await client.close();
    }
  });
});

suite("http certificates and proxies", { transports: ["stdio"] }, (t) => {
  let certificates: Certificates;
  let origin: Origin;
  let secure: Origin;
  let proxy: TestProxy;

  beforeAll(async () => {
    certificates = makeCertificates();
    origin = await Origin.start();
    secure = await Origin.start({ certificates });
    proxy = await TestProxy.start();
  });
  afterAll(async () => {
    await origin.close();
    await secure.close();
    await proxy.close();
    certificates.remove();
  });

  verifies(
    "http tls: only those are trusted whom the system knows, and whom the environment adds",
    async () => {
      const url = secure.url("/", "localhost");
      const [unknown] = await askOne(t, {}, { url });
      expect(unknown.error.code).toBe(-32603);
      if (t.ours) expect(unknown.error.data.kind).toBe("tls");
      for (const variable of ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"]) {
        const env = { [variable]: certificates.authorityFile };
        const [byName, byAddress] = await askOne(t, { env }, { url }, { url: secure.url("/") });
        expect([outcome(byName), outcome(byAddress)]).toEqual([200, 200]);
      }
    },
  );

  verifies("http tls: a name that is not in the certificate is refused", async () => {
    if (!t.ours) return;
    const env = { SSL_CERT_FILE: certificates.authorityFile };
    const elsewhere = await Origin.start({ certificates, hostname: "127.0.0.2" });
    const [answer] = await askOne(t, { env }, { url: elsewhere.url("/", "127.0.0.2") });
    await elsewhere.close();
    expect(outcome(answer)).toEqual([-32603, "tls"]);
  });

  verifies("http tls: a file of certificates that cannot be read is named", async () => {
    const path = "/no/such/authorities.pem";
    const [answer] = await askOne(t, { env: { SSL_CERT_FILE: path } }, { url: secure.url("/", "localhost") });
    expect(answer.error.code).toBe(-32603);
    expect(answer.error.message).toContain(path);
  });

  verifies("http proxy: requests go through the proxy of the environment, loopback too", async () => {
    proxy.asked.length = 0;
    const env = { HTTP_PROXY: proxy.url, https_proxy: proxy.url, SSL_CERT_FILE: certificates.authorityFile };
    const urls = [origin.url("/plain?q"), secure.url("/secure", "localhost")];
    const answers = await askOne(t, { env }, ...urls.map((url) => ({ url })));
    expect(answers.map(outcome)).toEqual([200, 200]);
    expect(proxy.asked[0]).toBe(`GET ${urls[0]} HTTP/1.1`);
    expect(proxy.asked[1]).toBe(`CONNECT localhost:${secure.port} HTTP/1.1`);
    expect(secure.seen.at(-1)!.line).toBe("GET /secure HTTP/1.1");
  });

  verifies("http proxy: NO_PROXY excepts hosts, and a proxy gets its credentials", async () => {
    proxy.asked.length = 0;
    const [direct] = await askOne(
      t,
      { env: { ALL_PROXY: proxy.url, NO_PROXY: "x.test,127.0.0.0/8" } },
      { url: origin.url("/") },
    );
    expect(outcome(direct)).toBe(200);
    expect(proxy.asked).toEqual([]);
    const withPassword = proxy.url.replace("//", "//user:pass@");
    const env = {
      http_proxy: withPassword,
      https_proxy: withPassword,
      SSL_CERT_FILE: certificates.authorityFile,
    };
    for (const url of [origin.url("/"), secure.url("/", "localhost")]) {
      expect(outcome((await askOne(t, { env }, { url }))[0])).toBe(200);
      expect(proxy.heads.at(-1)!.toLowerCase()).toContain(
        `proxy-authorization: basic ${Buffer.from("user:pass").toString("base64")}`.toLowerCase(),
      );
    }
  });

  verifies("http proxy: one that is not there or refuses is an error that names it", async () => {
    if (!t.ours) return;
    const url = "https://localhost:9/";
    const [gone, refusing, socks] = await Promise.all(
      ["http://127.0.0.1:1", `${proxy.url}/`, "socks5://user:pass@127.0.0.1:1"].map(async (HTTPS_PROXY) => {
        return (await askOne(t, { env: { HTTPS_PROXY } }, { url }))[0];
      }),
    );
    for (const answer of [gone, refusing, socks]) expect(outcome(answer)).toEqual([-32603, "connect"]);
    expect(gone.error.message).toContain("the proxy of HTTPS_PROXY");
    expect(refusing.error.message).toContain("answered HTTP 502");
    expect(socks.error.message).toContain("SOCKS is not supported, expected http://HOST:PORT");
    expect(socks.error.message).not.toContain("pass");
  });

  verifies(
    "http proxy: one that breaks off or talks nonsense is an error, and the server lives on",
    async () => {
      if (!t.ours) return;
      const agreed = "HTTP/1.1 200 OK\r\n\r\n";
      const refused = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno";
      /** What it answers, how it goes on, and what comes of that. */
      const rows: [string, (client: Socket) => unknown, string][] = [
        [agreed, (client) => client.end(), "tls"],
        [agreed, (client) => client.resetAndDestroy(), "tls"],
        [agreed, (client) => client.end("no TLS at all"), "tls"],
        [`${agreed}more`, () => {}, "protocol"],
        ["220 mail.test\r\n\r\n", () => {}, "protocol"],
        ["HTTP/1.1 20", (client) => client.end(), "connect"],
        [refused, () => {}, "connect"],
      ];
      const left = [...rows];
      const broken = createServer((client) => {
        client.on("error", () => {});
        client.once("data", () => {
          const [answer, end] = left.shift()!;
          client.write(answer, () => setTimeout(() => end(client), 20));
        });
      });
      await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
      const HTTPS_PROXY = `http://127.0.0.1:${(broken.address() as { port: number }).port}`;
      const https = { url: "https://localhost:9/", timeoutMs: 5000 };
      const last = { url: origin.url("/") };
      const answers = await askOne(t, { env: { HTTPS_PROXY } }, ...rows.map(() => https), last);
      broken.close();
      expect(answers.map(outcome)).toEqual([...rows.map(([, , kind]) => [-32603, kind]), 200]);
    },
  );

  verifies("http policy: a proxy is no way round it", async () => {
    if (!t.ours) return;
    proxy.asked.length = 0;
    const urls = ["http://169.254.169.254/", "https://169.254.169.254/"];
    const answers = await askOne(t, { env: { ALL_PROXY: proxy.url } }, ...urls.map((url) => ({ url })));
    expect(answers.map(outcome)).toEqual(urls.map(() => [-32600, "policy"]));
    expect(proxy.asked).toEqual([]);
  });
});

/** An HTTP proxy that writes down what it is asked. */
class TestProxy {
  readonly #server: Server;
  readonly asked: string[] = [];
  readonly heads: string[] = [];

  private constructor() {
    this.#server = createServer((client) => {
      client.on("error", () => {});
      client.once("data", (bytes) => {
        const head = bytes.toString("latin1");
        const [line = ""] = head.split("\r\n");
        this.asked.push(line);
        this.heads.push(head);
        const [method, target = ""] = line.split(" ");
        const isTunnel = method === "CONNECT";
        const url = new URL(isTunnel ? `http://${target}` : target);
        const server = dial({ host: url.hostname, port: Number(url.port) });
        server.on("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
        client.on("close", () => server.destroy());
        server.on("connect", () => {
          if (isTunnel) client.write("HTTP/1.1 200 OK\r\n\r\n");
          else server.write(bytes);
          client.pipe(server);
          server.pipe(client);
        });
      });
    });
  }

  static async start(): Promise<TestProxy> {
    const proxy = new TestProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
