/** MCP with the official SDK and real servers, here and over every server. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { McpHttpTransport, McpStdioTransport } from "../../mcp.ts";
import {
  type Client,
  connectWebsocket,
  currentRuntime,
  type Environment,
  localEnvironment,
} from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import {
  everythingServer,
  filesystemServer,
  HttpMcpServer,
  loadClientSdk,
  loadSdk,
  missingMcp,
  type Sdk,
} from "../support/mcp.ts";
import { FakeMcpServer } from "../support/mcp_http_server.ts";
import { isAlive } from "../support/proc.ts";

const node = Bun.which("node")!;
let sdk: Sdk;
let everything: HttpMcpServer;
let folder = "";

const isMissing = missingMcp !== undefined;
beforeAll(async () => {
  if (isMissing) return;
  sdk = await loadSdk();
  everything = await HttpMcpServer.start();
  folder = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-mcp-")));
});
afterAll(async () => {
  await everything?.stop();
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: the SDK's own types are not there when its package is not
type Any = any;

const connect = async (transport: Any): Promise<Any> => {
  const client = new sdk.Client({ name: "test", version: "1" });
  await within(15_000, "connection to the MCP server", client.connect(transport));
  return client;
};
/** Of an error of either SDK. */
const statusOf = (error: Any): unknown => error.status ?? error.code;
const say = async (client: Any, what: string): Promise<string> => {
  const call = client.callTool({ name: "say", arguments: { what } });
  return (await within(8000, `answer to ${what}`, call as Promise<Any>)).content[0].text;
};
const http = (
  place: Client | Environment,
  url: URL,
  options: Record<string, unknown> = {},
): McpHttpTransport =>
  new McpHttpTransport(place, url, { Transport: sdk.StreamableHTTPClientTransport, options });

function mcpTests(place: () => Client | Environment): void {
  verifies("mcp: a program over there is a server over stdio", async () => {
    const said: string[] = [];
    const transport = new McpStdioTransport(place(), {
      argv: [node, everythingServer, "stdio"],
      cwd: folder,
      env: { GIVEN: "value" },
      onStderr: (bytes) => said.push(new TextDecoder().decode(bytes)),
    });
    const client = await connect(transport);
    const names = (await client.listTools()).tools.map(({ name }: { name: string }) => name);
    expect(names).toContain("echo");
    const message = "long é ".repeat(100_000);
    const echo = await client.callTool({ name: "echo", arguments: { message } });
    expect(echo.content[0].text === `Echo: ${message}`).toBe(true);
    const env = JSON.parse((await client.callTool({ name: "get-env", arguments: {} })).content[0].text);
    expect(env.GIVEN).toBe("value");
    expect(said.join("")).toContain("Starting");
    await within(8000, "end of the server", client.close());
  });

  verifies("mcp: the file server works on the files over there", async () => {
    const transport = new McpStdioTransport(place(), { argv: [node, filesystemServer, folder], cwd: folder });
    const client = await connect(transport);
    const path = join(folder, "file.txt");
    await client.callTool({ name: "write_file", arguments: { path, content: "written" } });
    const read = await client.callTool({ name: "read_text_file", arguments: { path } });
    expect(read.content[0].text).toBe("written");
    await client.close();
  });

  verifies("mcp: a server over HTTP is reached from over there", async () => {
    const client = await connect(http(place(), everything.url));
    expect((await client.listTools()).tools.length).toBeGreaterThan(5);
    const echo = await client.callTool({ name: "echo", arguments: { message: "over http" } });
    expect(echo.content[0].text).toBe("Echo: over http");
    const progress: number[] = [];
    const long = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 2 } };
    const onprogress = ({ progress: done }: { progress: number }): unknown => progress.push(done);
    // The whole SDK has a schema between the two.
    await client.callTool(long, ...(sdk.hasSchemas ? [undefined] : []), { onprogress });
    expect(progress).toEqual([1, 2]);
    await within(8000, "end of the session", client.close());
  });

  verifies(
    "mcp: a session that has expired is made anew once, and what was asked is asked again once",
    async () => {
      const server = new FakeMcpServer();
      const client = await connect(http(place(), server.url));
      expect(await say(client, "one")).toBe("said one");
      server.forget();
      const many = await Promise.all(["a", "b", "c", "d"].map((what) => say(client, what)));
      expect(many).toEqual(["said a", "said b", "said c", "said d"]);
      expect(server.count("POST initialize -")).toBe(2);
      expect(server.count("POST notifications/initialized")).toBe(2);
      expect(await say(client, "two")).toBe("said two");
      await client.close();
      expect(server.count("DELETE -")).toBe(1);
      server.close();
    },
  );

  verifies("mcp: the version of a session that was made anew is what its server speaks", async () => {
    const server = new FakeMcpServer();
    const client = await connect(http(place(), server.url));
    server.forget();
    server.version = "2025-03-26";
    expect(await say(client, "one")).toBe("said one");
    expect(server.seen.findLast(({ what }) => what.startsWith("POST tools/call"))!.version).toBe(
      "2025-03-26",
    );
    await client.close();
    server.close();
  });

  verifies("mcp: close ends a session that is being made anew", async () => {
    for (const method of ["initialize", "notifications/initialized"]) {
      const server = new FakeMcpServer();
      const client = await connect(http(place(), server.url));
      server.forget();
      const hold = Promise.withResolvers<void>();
      server.hold = { method, until: hold.promise };
      const call = say(client, "x").catch((error) => error);
      const count = (): number => server.count(`POST ${method}`);
      await until(5000, "a fresh session", () => count() === 2);
      const closed = client.close();
      // The peer does one request after the other, so the first must end.
      await until(5000, "the end to be told", () => server.count("DELETE") > 0 || hold.resolve());
      await within(8000, "end of the transport", closed);
      expect(await within(8000, "end of the call", call)).toBeInstanceOf(Error);
      // One whose name was known is ended, and nothing goes on by itself.
      if (method !== "initialize") expect(server.sessions).toBe(0);
      expect(server.count("POST notifications/initialized")).toBe(method === "initialize" ? 1 : 2);
      expect(server.count("POST tools/call")).toBe(1);
      server.close();
    }
  });

  verifies("mcp: a call is never sent again by itself, what has no effect is", async () => {
    const server = new FakeMcpServer();
    const client = await connect(http(place(), server.url));
    server.fail = { method: "tools/call", status: 503, times: 1 };
    expect(statusOf(await say(client, "x").catch((error) => error))).toBe(503);
    expect(server.count("POST tools/call")).toBe(1);
    server.fail = { method: "tools/list", status: 503, times: 1 };
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(server.count("POST tools/list")).toBe(2);
    server.cut = "tools/list";
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(server.count("POST tools/list")).toBe(4);
    server.cut = "tools/call";
    expect(await say(client, "y").catch((error) => error)).toBeInstanceOf(Error);
    expect(server.count("POST tools/call")).toBe(2);
    server.fail = { method: "tools/list", status: 400, times: 1 };
    expect(statusOf(await client.listTools().catch((error: Any) => error))).toBe(400);
    await client.close();
    server.close();
  });

  verifies("mcp: authorization is discovered, asked for and used from over there", async () => {
    const server = new FakeMcpServer({ wantsToken: true });
    const saved: Record<string, Any> = {};
    let consentUrl: URL | undefined;
    const authProvider = {
      redirectUrl: "http://127.0.0.1/callback",
      clientMetadata: { redirect_uris: ["http://127.0.0.1/callback"], client_name: "test" },
      clientInformation: () => saved.client,
      saveClientInformation: (client: Any) => void (saved.client = client),
      tokens: () => saved.tokens,
      saveTokens: (tokens: Any) => void (saved.tokens = tokens),
      redirectToAuthorization: (url: URL) => void (consentUrl = url),
      saveCodeVerifier: (verifier: string) => void (saved.verifier = verifier),
      codeVerifier: () => saved.verifier,
    };
    const first = http(place(), server.url, { authProvider });
    const refused = await connect(first).catch((error) => error);
    expect(refused).toBeInstanceOf(sdk.UnauthorizedError);
    expect(consentUrl!.origin).toBe(server.origin);
    await first.finishAuth(server.consent(consentUrl!));
    const client = await connect(http(place(), server.url, { authProvider }));
    expect(await say(client, "secret")).toBe("said secret");
    await client.close();
    const paths = ["/.well-known/oauth-protected-resource", "/register", "/token"];
    for (const path of paths) expect(server.seen.some(({ what }) => what.endsWith(path))).toBe(true);
    // Every one of them left by our fetch.
    expect(server.seen.filter(({ userAgent }) => !userAgent?.startsWith("exec-server/"))).toEqual([]);
    server.close();
  });
}

if (!isMissing) {
  suite("mcp", { transports: ["websocket"] }, (t) => {
    let client: Client;
    beforeAll(async () => {
      client = await connectWebsocket(await currentRuntime(), { url: t.listening.url });
      t.closing.push(() => client.close());
    });
    mcpTests(() => client);
  });

  describe("mcp here, with the SDK for clients alone", () => {
    let local: Environment;
    beforeAll(async () => {
      sdk = await loadClientSdk();
      local = localEnvironment(await currentRuntime());
    });
    afterAll(async () => {
      await local.close();
      sdk = await loadSdk();
    });
    mcpTests(() => local);
  });

  describe("mcp here", () => {
    let local: Environment;
    beforeAll(async () => {
      local = localEnvironment(await currentRuntime());
    });
    afterAll(async () => await local.close());
    mcpTests(() => local);

    verifies("mcp: the end of the connection ends the transports", async () => {
      const mine = localEnvironment(await currentRuntime());
      const transport = new McpStdioTransport(mine, {
        argv: [node, everythingServer, "stdio"],
        cwd: folder,
      });
      const stdio = await connect(transport);
      const closed = Promise.withResolvers<void>();
      stdio.onclose = closed.resolve;
      const long = { name: "trigger-long-running-operation", arguments: { duration: 60, steps: 1 } };
      const call = stdio.callTool(long).catch((error: Error) => error);
      await mine.close();
      await within(8000, "end of the transport", closed.promise);
      expect(await within(8000, "end of the call", call)).toBeInstanceOf(Error);
    });

    const program = (script: string): McpStdioTransport =>
      new McpStdioTransport(local, { argv: ["/bin/sh", "-c", script], cwd: folder });

    verifies("mcp: lines that are no messages are told and skipped, a last one needs no end", async () => {
      const transport = program(`printf 'noise\\n\\n{"a":1}\\r\\n[1\\n{"b":'; sleep 0.1; printf '2}'`);
      const messages: unknown[] = [];
      const errors: string[] = [];
      const closed = Promise.withResolvers<void>();
      transport.onmessage = (message) => messages.push(message);
      transport.onerror = (error) => errors.push(error.message);
      transport.onclose = closed.resolve;
      await transport.start();
      await within(5000, "end", closed.promise);
      expect(messages).toEqual([{ a: 1 }, { b: 2 }]);
      expect(errors).toHaveLength(2);
      expect((await transport.send({ jsonrpc: "2.0", method: "x" }).catch((error) => error)).code).toBe(
        "ERR_STDIN_CLOSED",
      );
    });

    verifies(
      "mcp: lines that are no messages are told and skipped, a last one needs no end",
      "so is one that its receiver fails at",
      async () => {
        const transport = program(`printf '{"a":1}\n{"a":2}\n'`);
        const messages: unknown[] = [];
        const errors: string[] = [];
        const closed = Promise.withResolvers<void>();
        transport.onmessage = (message) => {
          messages.push(message);
          if (message.a === 1) throw new Error("not this one");
        };
        transport.onerror = (error) => errors.push(error.message);
        transport.onclose = closed.resolve;
        await transport.start();
        await within(5000, "end", closed.promise);
        expect(messages).toEqual([{ a: 1 }, { a: 2 }]);
        expect(errors).toEqual(["not this one"]);
      },
    );

    verifies("mcp: close ends a program that does not want to", async () => {
      const transport = program('trap "" TERM; echo \'{"ready":1}\'; while :; do sleep 1; done');
      const ready = Promise.withResolvers<void>();
      transport.onmessage = () => ready.resolve();
      await transport.start();
      await within(5000, "start", ready.promise);
      await within(8000, "end", transport.close());
    });

    verifies("mcp: close ends a program that is only being started", async () => {
      const transport = program("echo $$ > pid; exec cat /dev/zero");
      const starting = transport.start().catch((error) => error);
      await within(8000, "end", transport.close());
      expect((await starting).code).toBe("ERR_CLOSED");
      const path = join(folder, "pid");
      expect(existsSync(path) && isAlive(Number(readFileSync(path, "utf8")))).toBe(false);
      expect((await transport.start().catch((error) => error)).code).toBe("ERR_USAGE");
      const never = program("exec sleep 1000");
      await never.close();
      expect((await never.start().catch((error) => error)).code).toBe("ERR_CLOSED");
    });

    verifies("mcp: what cannot be started rejects", async () => {
      const missing = new McpStdioTransport(local, { argv: ["/no/such/program"], cwd: folder });
      expect((await missing.start().catch((error) => error)).code).toBe(-32603);
      const relative = new McpStdioTransport(local, { argv: ["true"], cwd: "here" });
      expect((await relative.start().catch((error) => error)).code).toBe("ERR_USAGE");
    });
  });
}
