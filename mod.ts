/**
 * Processes, terminals, files and HTTP on this machine or another, over the protocol of `codex exec-server`.
 *
 * ```ts
 * import { EnvironmentManager } from "./mod.ts";
 *
 * await using environments = await EnvironmentManager.open();
 * const process = await environments.get("build-box").start({ argv: ["make", "-j4"] });
 * for await (const event of process) {
 *   if (event.kind === "output") console.log(event.stream, event.bytes.length);
 *   if (event.kind === "exited") console.log("exit status", event.exitCode);
 * }
 * ```
 *
 * @module
 */

export { Client, type ClientOptions, type StartOptions } from "./lib/client/client.ts";
export { connectCommand, connectWebsocket } from "./lib/client/connect.ts";
export type { HandshakeOptions } from "./lib/client/connection.ts";
export type { ConnectionChange } from "./lib/client/connection_changes.ts";
export type { Fetch, FetchInit } from "./lib/client/fetch.ts";
export type { BlockReader, ReadRange } from "./lib/client/fs/block_reader.ts";
export type { BlockWriter, WriteOptions } from "./lib/client/fs/block_writer.ts";
export type { DirEntry, FileInfo } from "./lib/client/fs/entries.ts";
export { FsError, type FsErrorCode } from "./lib/client/fs/error.ts";
export { FileSystem, type ReadFileOptions, type WriteFileOptions } from "./lib/client/fs/file_system.ts";
export type { FsOptions, FsPath } from "./lib/client/fs/link.ts";
export type { SearchOptions } from "./lib/client/fs/search.ts";
export type { WalkedEntry, WalkOptions } from "./lib/client/fs/walk.ts";
export type { WatchEvent, WatchOptions } from "./lib/client/fs/watch.ts";
export type { HttpAnswer, HttpRequestOptions } from "./lib/client/http_requests.ts";
export { Process, type ProcessEnd } from "./lib/client/process.ts";
export type { RecoveryOptions } from "./lib/client/recovery.ts";
export type { ProcessEvent } from "./lib/client/sequencer.ts";
export { codexHome, type LoadOptions, loadEnvironments } from "./lib/environments/config.ts";
export { configuredEnvironment, Environment, localEnvironment } from "./lib/environments/environment.ts";
export { EnvironmentManager, type OpenOptions } from "./lib/environments/manager.ts";
export {
  type EnvironmentConfig,
  type EnvironmentsConfig,
  parseEnvironmentsToml,
  type StdioTransportConfig,
  type TransportConfig,
  type WebsocketTransportConfig,
} from "./lib/environments/toml.ts";
export type { ExecProcess } from "./lib/exec/exec_session.ts";
export { type DrainOptions, HeadTailBuffer, type Rendered } from "./lib/exec/head_tail_buffer.ts";
export { type ProcessState, processExited, processFailed, processRunning } from "./lib/exec/process_state.ts";
export {
  type ExecCommandOptions,
  type ExecResult,
  type ExecSessionInfo,
  type ExecTarget,
  UnifiedExec,
  type UnifiedExecOptions,
  type WriteStdinOptions,
} from "./lib/exec/unified_exec.ts";
export type { HttpOptions } from "./lib/http/handlers.ts";
export { HttpPolicy, type PolicyRule, parseRule } from "./lib/http/policy.ts";
export { type Channel, type ChannelReceiver, type CloseReason, channelPair } from "./lib/jsonrpc/channel.ts";
export type { CallOptions } from "./lib/jsonrpc/peer.ts";
export type { ProcessLimits } from "./lib/process/handlers.ts";
export type {
  Capabilities,
  EnvironmentInfo,
  EnvironmentStatus,
  SandboxInfo,
  ShellInfo,
} from "./lib/protocol/environment.ts";
export { type ErrorCode, ExecServerError, RpcError, rpcCode } from "./lib/protocol/errors.ts";
export type * from "./lib/protocol/fs.ts";
export type * from "./lib/protocol/fs_blocks.ts";
export type * from "./lib/protocol/fs_tree.ts";
// `WalkOptions` are those of `FileSystem`.
export type { WalkOptions as FsWalkOptions } from "./lib/protocol/fs_tree.ts";
export type * from "./lib/protocol/fs_watch.ts";
export type * from "./lib/protocol/http.ts";
export {
  type Call,
  type ClientNotifications,
  clientNotifications,
  type Requests,
  requests,
  type ServerNotifications,
  serverNotifications,
} from "./lib/protocol/methods.ts";
export type * from "./lib/protocol/process.ts";
export type { LimitName, StartLimits } from "./lib/protocol/process_limits.ts";
export type {
  AttachParams,
  AttachResult,
  DetachParams,
  ListResult,
  ProcessSummary,
} from "./lib/protocol/process_list.ts";
export type * from "./lib/protocol/sandbox.ts";
export type { Schema } from "./lib/protocol/schema.ts";
export type { AttachMode, InitializeParams } from "./lib/protocol/session.ts";
export type { InitializeResult } from "./lib/protocol/session_result.ts";
export { version } from "./lib/protocol/version.ts";
export { currentRuntime, type Runtime } from "./lib/runtime/runtime.ts";
export {
  type Authenticator,
  capabilityToken,
  type SignedTokenOptions,
  signedBearerToken,
  tokenDigest,
} from "./lib/server/credentials.ts";
export {
  type Listener,
  type ListenerOptions,
  listen,
  type ServerOptions,
  type StreamServer,
  serveChannel,
  serveStdio,
} from "./lib/server/listen.ts";
export { type CommandOptions, type Launched, launchCommand } from "./lib/transport/command.ts";
export { type DialOptions, dialWebsocket, UpgradeRefused } from "./lib/transport/websocket.ts";
