/** The official MCP SDK and its servers, where set-up has put them. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StreamableHttpTransportClass } from "../../mcp.ts";
import { within } from "./deadline.ts";
import { root } from "./programs.ts";

const folder = join(root, "tests", "peers", "mcp", "node_modules", "@modelcontextprotocol");

/** Why there is no SDK. */
export const missingMcp: string | undefined = existsSync(folder)
  ? undefined
  : "tests/peers/mcp is not installed: npm test installs it";

/** The scripts of the servers, for Node. */
export const everythingServer: string = join(folder, "server-everything", "dist", "index.js");
export const filesystemServer: string = join(folder, "server-filesystem", "dist", "index.js");

// biome-ignore lint/suspicious/noExplicitAny: the SDK's own types are not there when its package is not
type Any = any;

/** What the tests use of an SDK. */
export interface Sdk {
  Client: new (info: object, options?: object) => Any;
  StreamableHTTPClientTransport: StreamableHttpTransportClass;
  /** Whether `callTool` takes a schema before its options. */
  hasSchemas: boolean;
  UnauthorizedError: new () => Error;
}

/** The SDK whole, which has a transport of its own for programs. */
export interface WholeSdk extends Sdk {
  StdioClientTransport: new (options: object) => Any;
}

/** Its successor for clients alone. */
export async function loadClientSdk(): Promise<Sdk> {
  return { ...(await import(join(folder, "client", "dist", "index.mjs"))), hasSchemas: false };
}

export async function loadSdk(): Promise<WholeSdk> {
  const part = async (name: string): Promise<Any> =>
    await import(join(folder, "sdk", "dist", "esm", "client", name));
  return {
    ...(await part("index.js")),
    ...(await part("streamableHttp.js")),
    ...(await part("stdio.js")),
    ...(await part("auth.js")),
    hasSchemas: true,
  };
}

/** A server over Streamable HTTP. */
export class HttpMcpServer {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly url: URL;

  private constructor(child: Bun.Subprocess<"ignore", "pipe", "pipe">, port: number) {
    this.child = child;
    this.url = new URL(`http://127.0.0.1:${port}/mcp`);
  }

  /** The `everything` server, on a port of ours or a free one. */
  static async start(port = freePort()): Promise<HttpMcpServer> {
    const child = Bun.spawn(["node", everythingServer, "streamableHttp"], {
      env: { ...process.env, PORT: String(port) },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stderr.getReader();
    let said = "";
    const listening = async (): Promise<void> => {
      while (!/listening on port/i.test(said)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`The MCP server has ended: ${said}`);
        said += new TextDecoder().decode(value);
      }
    };
    await within(15_000, () => `MCP server on port ${port}: ${said}`, listening());
    reader.releaseLock();
    return new HttpMcpServer(child, port);
  }

  async stop(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
