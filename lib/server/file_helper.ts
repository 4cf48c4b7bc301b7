/** This program again, inside a sandbox, serving files to the one outside over a pipe. */

import process from "node:process";
import { Peer, ProtocolViolation } from "../jsonrpc/peer.ts";
import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { type Handlers, type RequestRow, requests } from "../protocol/methods.ts";
import { nodeFs } from "../runtime/node_modules.ts";
import { type Runtime, SpawnError } from "../runtime/runtime.ts";
import { spawnConfined } from "../sandbox/confine.ts";
import { type GlobScan, ScanTooLarge } from "../sandbox/glob_scan.ts";
import { scanOf } from "../sandbox/ground.ts";
import { ownProgram } from "../sandbox/own_program.ts";
import { isPlaceholder } from "../sandbox/placeholders.ts";
import { accessAt, orderRules, type Policy } from "../sandbox/policy.ts";
import { minimalFolders } from "../sandbox/resolve.ts";
import { LineChannel } from "../transport/lines.ts";

/** An answer may hold a whole file in base64. */
const MAX_LINE_BYTES = 768 * 1024 * 1024;
const END_WITHIN_MS = 2000;

/** One confined server of files. */
export class FileHelper {
  readonly policy: Policy;
  readonly #scan: GlobScan;
  /** What the paths of the policy were when it began, and what its patterns matched. */
  readonly #stamp: string;
  readonly #peer: Promise<Peer>;
  #open: Peer | undefined;
  #kill: () => void = () => {};
  #ended = false;
  /** Calls that are on their way, and handles that are open. */
  users = 0;
  /** Called when the last of them is over. */
  onIdle: (() => void) | undefined;

  /** @throws {RpcError} The policy cannot be enforced. Later failures are those of the calls. */
  constructor(runtime: Runtime, policy: Policy) {
    this.policy = policy;
    this.#scan = scanOf(policy);
    this.#stamp = stampOf(policy, this.#scan);
    this.#peer = this.#start(runtime);
    this.#peer.catch(() => {
      this.#ended = true;
    });
  }

  /**
   * It has ended, or the paths of its policy are others by now: what it wrote would go to what has been removed. Or its
   * patterns match something else, which it would not keep out of reach.
   */
  get isStale(): boolean {
    return this.#ended || stampOf(this.policy, this.#scan) !== this.#stamp;
  }

  /** @throws {RpcError} What the request comes to, or that the helper has failed. */
  async call<M extends keyof Handlers>(method: M, params: Parameters<Handlers[M]>[0]): Promise<unknown> {
    const row = requests[method] as RequestRow<unknown, unknown>;
    this.users++;
    try {
      const peer = await this.#peer;
      return row.result.decode(await peer.call(method, row.params.encode(params)));
    } catch (error) {
      if (!(error instanceof ExecServerError)) throw error;
      throw new RpcError(rpcCode.internal, `fs sandbox helper failed: ${error.message}`, undefined, {
        cause: error,
      });
    } finally {
      this.release();
    }
  }

  /** One user less. */
  release(): void {
    if (--this.users === 0) this.onIdle?.();
  }

  /** Ends it, and what it serves. */
  end(): void {
    this.#ended = true;
    this.#open?.close({ kind: "normal", message: "no longer needed" });
    const timer = setTimeout(this.#kill, END_WITHIN_MS);
    this.#gone.promise.then(() => clearTimeout(timer));
  }

  readonly #gone = Promise.withResolvers<void>();

  /** Settles when nothing of it is left. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  async #start(runtime: Runtime): Promise<Peer> {
    try {
      return await this.#launch(runtime);
    } catch (error) {
      this.#gone.resolve();
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof RpcError || error instanceof SpawnError) {
        throw new RpcError(rpcCode.invalidRequest, `failed to prepare fs sandbox: ${why}`, undefined, {
          cause: error,
        });
      }
      throw error;
    }
  }

  async #launch(runtime: Runtime): Promise<Peer> {
    const program = ownProgram(runtime);
    if (!program) {
      throw new RpcError(rpcCode.invalidRequest, "filesystem sandbox cannot be enforced on this executor");
    }
    const { child, launched } = spawnConfined(runtime, withFiles(this.policy, program.files), {
      file: program.command[0]!,
      argv: [...program.command, "serve", "--listen", "stdio"],
      env: helperEnv(),
      cwd: "/",
      stdin: "pipe",
    });
    this.#kill = () => child.signalGroup(9);
    child.exited.then(() => {
      this.#ended = true;
      this.#gone.resolve();
    });
    drain(child.stderr!);
    await launched;
    const peer = new Peer(
      new LineChannel(child.stdout, child.stdin!, {
        label: "fs sandbox helper",
        maxLineBytes: MAX_LINE_BYTES,
      }),
      {
        request: (method) => {
          throw new RpcError(rpcCode.methodNotFound, method);
        },
        notification: () => {},
        unmatched: () => {
          throw new ProtocolViolation("An answer came to a request that was not made");
        },
        closed: () => {
          this.#ended = true;
        },
      },
    );
    peer.open();
    this.#open = peer;
    if (this.#ended) this.end();
    await peer.call("initialize", { clientName: "exec-server" });
    peer.notify("initialized", {});
    return peer;
  }
}

async function drain(source: { read(): Promise<Uint8Array | null> }): Promise<void> {
  while ((await source.read()) !== null);
}

/** No more than it needs: what it serves is the disk. */
function helperEnv(): Record<string, string> {
  const names = ["PATH", "TMPDIR", "DENO_DIR", "HOME"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]!]] : [])));
}

/** Our own program can be read inside, or it could not be started. */
function withFiles(policy: Policy, files: readonly string[]): Policy {
  const hidden = files.filter((path) => accessAt(policy, path) === "deny");
  const rules = hidden.map((path) => ({ path, access: "read" as const, skipMissing: true }));
  return { ...policy, rules: orderRules([...policy.rules, ...rules]) };
}

/** Which folders and files the paths of a policy are now, and what its patterns match. */
function stampOf(policy: Policy, scan: GlobScan): string {
  const named = policy.rules.filter(({ path }) => path !== "/" && !minimalFolders.includes(path));
  const stamps = named.map(({ path }) => (isPlaceholder(path) ? "-" : stampOfPath(path)));
  for (const path of matchesToStamp(scan)) stamps.push(path, stampOfPath(path));
  return stamps.join("\0");
}

function matchesToStamp(scan: GlobScan): string[] {
  try {
    return scan.matches();
  } catch (error) {
    // Whoever starts the helper is told.
    if (error instanceof ScanTooLarge) return [];
    throw error;
  }
}

function stampOfPath(path: string): string {
  try {
    // The number alone is soon another's.
    const { dev, ino, birthtimeNs } = nodeFs().statSync(path, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch {
    return "-";
  }
}
