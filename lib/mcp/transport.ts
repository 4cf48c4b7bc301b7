/**
 * What we need of an MCP SDK, in its own shapes: none is imported, so that any release of it fits, and who uses no MCP
 * needs none.
 */

/** A JSON-RPC message of MCP. */
export interface McpMessage {
  jsonrpc: "2.0";
  id?: string | number | null;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

/** `Transport` of the official SDK. */
export interface McpTransport {
  start(): Promise<void>;
  send(message: never, options?: never): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK calls it with types of its own
  onmessage?: ((message: any, extra?: any) => void) | undefined;
  sessionId?: string | undefined;
  setProtocolVersion?: ((version: string) => void) | undefined;
}

/** Whether an answer is waited for. */
export function isRequest(message: McpMessage): boolean {
  return message.method !== undefined && message.id !== undefined && message.id !== null;
}
