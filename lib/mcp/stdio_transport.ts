/** MCP with a server that is a program on another machine. */

import type { Process } from "../client/process.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { parseLine } from "./lines.ts";
import {
  endServerProgram,
  type ProgramPlace,
  readServerProgram,
  type ServerProgram,
  startServerProgram,
  writeLine,
} from "./server_program.ts";
import type { McpMessage, McpTransport } from "./transport.ts";

/** Settings of a {@link McpStdioTransport}. */
export interface McpStdioOptions extends ServerProgram {
  /** What the server says to people. */
  onStderr?: (bytes: Uint8Array) => void;
}

/**
 * A `Transport` for the official SDK's `Client`. The program begins with `start` and ends with `close`; a lost connection
 * is resumed where the client can.
 *
 * ```ts
 * const transport = new McpStdioTransport(environments.get("build-box"), { argv: ["my-mcp-server"], cwd: "/srv" });
 * await client.connect(transport);
 * ```
 */
export class McpStdioTransport implements McpTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: McpTransport["onmessage"];
  readonly #place: ProgramPlace;
  readonly #options: McpStdioOptions;
  #child: Process | undefined;
  #starting: Promise<Process> | undefined;
  #isClosed = false;
  #ended: Promise<void> | undefined;

  constructor(place: ProgramPlace, options: McpStdioOptions) {
    this.#place = place;
    this.#options = options;
  }

  /** @throws What `start` of the environment throws. */
  async start(): Promise<void> {
    if (this.#starting) throw new ExecServerError("ERR_USAGE", "The transport was started already");
    if (this.#isClosed) throw new ExecServerError("ERR_CLOSED", "The transport was closed");
    this.#starting = startServerProgram(this.#place, this.#options);
    const child = await this.#starting;
    if (this.#isClosed) throw new ExecServerError("ERR_CLOSED", "The transport was closed while it started");
    this.#child = child;
    this.#ended = readServerProgram(child, {
      line: (text) => this.#onLine(text),
      stderr: (bytes) => this.#options.onStderr?.(bytes),
      closed: (error) => {
        if (error) this.onerror?.(error);
        this.onclose?.();
      },
    });
  }

  /** @throws {ExecServerError} `ERR_STDIN_CLOSED`, `ERR_DISCONNECTED`: it may have arrived. */
  async send(message: McpMessage): Promise<void> {
    if (!this.#child) throw new ExecServerError("ERR_CLOSED", "The transport was not started");
    await writeLine(this.#child, JSON.stringify(message));
  }

  /** Ends the program and waits for its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // It may be on its way.
    const child = await this.#starting?.catch(() => undefined);
    if (!child) return;
    // Its end comes behind what it says, so somebody must read that.
    this.#ended ??= readServerProgram(child, { line: () => {}, stderr: () => {}, closed: () => {} });
    await endServerProgram(child);
    await this.#ended;
  }

  #onLine(text: string): void {
    if (text.trim() === "") return;
    const message = parseLine(text);
    try {
      if (!message)
        throw new Error(`The MCP server wrote a line of ${text.length} characters that is no message`);
      this.onmessage?.(message);
    } catch (error) {
      // As the SDK's own transport has it: who cannot deal with one message gets the next.
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
