/**
 * MCP with servers on other machines: transports for the official SDK, which is brought by whoever uses them.
 *
 * ```ts
 * import { Client } from "@modelcontextprotocol/sdk/client/index.js";
 * import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
 * import { McpHttpTransport } from "exec-server/mcp";
 * import { EnvironmentManager } from "exec-server";
 *
 * await using environments = await EnvironmentManager.open();
 * const client = new Client({ name: "me", version: "1" });
 * const url = new URL("https://mcp.internal/mcp");
 * await client.connect(new McpHttpTransport(environments.get("build-box"), url, { Transport: StreamableHTTPClientTransport }));
 * ```
 *
 * @module
 */

export {
  type FetchPlace,
  type McpHttpOptions,
  McpHttpTransport,
  type StreamableHttpTransportClass,
} from "./lib/mcp/http_transport.ts";
export type { ProgramPlace, ServerProgram } from "./lib/mcp/server_program.ts";
export { type McpStdioOptions, McpStdioTransport } from "./lib/mcp/stdio_transport.ts";
export type { McpMessage, McpTransport } from "./lib/mcp/transport.ts";
