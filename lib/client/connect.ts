/** Opens a client over a websocket or over a launched command. */

import { ExecServerError } from "../protocol/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type CommandOptions, launchCommand } from "../transport/command.ts";
import { type DialOptions, dialWebsocket } from "../transport/websocket.ts";
import { Client, type ClientOptions } from "./client.ts";

/**
 * Dials a server and does the handshake. A lost connection is dialled again and its session resumed.
 * @throws {ExecServerError} `ERR_CONNECT`, `ERR_CONNECT_TIMEOUT`, and those of {@link Client.open}.
 * @throws {RpcError} The server refused `initialize`.
 */
export async function connectWebsocket(
  runtime: Runtime,
  options: DialOptions & ClientOptions,
): Promise<Client> {
  return await Client.open(await dialWebsocket(runtime, options), options, {
    reopen: (signal) => dialWebsocket(runtime, { ...options, signal }),
  });
}

/**
 * Launches a program that speaks the protocol on stdin and stdout, and does the handshake. The program ends with
 * the client.
 * @throws {ExecServerError} `ERR_SPAWN`, and those of {@link Client.open}.
 * @throws {RpcError} The server refused `initialize`.
 */
export async function connectCommand(
  runtime: Runtime,
  options: CommandOptions & ClientOptions,
): Promise<Client> {
  const { channel, ended, lastStderrLine } = launchCommand(runtime, options);
  try {
    return await Client.open(channel, options, { released: ended });
  } catch (error) {
    if (!(error instanceof ExecServerError) || error.code !== "ERR_DISCONNECTED") throw error;
    // It ended by itself: what it said last is the best reason there is.
    const status = await ended;
    const how = status.signal === null ? `status ${status.code}` : `signal ${status.signal}`;
    const said = lastStderrLine();
    throw new ExecServerError(
      "ERR_CONNECT",
      `"${options.program}" ended with ${how} before it answered${said === "" ? "" : `: ${said}`}`,
      { cause: error },
    );
  }
}
