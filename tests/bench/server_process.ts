/** A server under measurement: started, looked at in the process table, ended. */

import type { Child, Runtime } from "../../lib/runtime/runtime.ts";
import { guardOf } from "../support/proc.ts";
import type { Link } from "./link.ts";
import { StdioLink } from "./stdio_link.ts";
import { anonymousMegabytes, cpuSeconds, peakMegabytes, residentMegabytes } from "./usage.ts";
import { WebsocketLink } from "./websocket_link.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const END_MS = 3000;

/** Who is measured. */
export interface Contender {
  readonly name: string;
  /** The command that takes `--listen`. */
  readonly command: readonly string[];
}

const running = new Set<ServerProcess>();

/** Ends every server there is, for when the run is broken off. */
export async function stopServers(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}

export class ServerProcess {
  readonly pid: number;
  readonly transport: "websocket" | "stdio";
  /** When it was started, by `performance.now()`. */
  readonly startedAt: number;
  readonly #child: Child;
  #url: Promise<string> | undefined;
  #stderr = "";

  constructor(runtime: Runtime, contender: Contender, transport: "websocket" | "stdio", home: string) {
    const argv = [...contender.command, "--listen", transport === "stdio" ? "stdio" : "ws://127.0.0.1:0"];
    this.transport = transport;
    this.startedAt = performance.now();
    this.#child = runtime.spawn({
      file: argv[0]!,
      argv,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, CODEX_HOME: home },
      cwd: home,
      stdin: transport === "stdio" ? "pipe" : "null",
    });
    this.pid = this.#child.pid;
    running.add(this);
    this.#keepStderr();
  }

  /** Where it listens, once it has said so. */
  url(): Promise<string> {
    this.#url ??= this.#readUrl();
    return this.#url;
  }

  /** Connects and does the handshake. Over stdio only once. */
  async connect(): Promise<Link> {
    const link =
      this.transport === "stdio" ? new StdioLink(this.#child) : await WebsocketLink.connect(await this.url());
    return await link.initialize();
  }

  /** CPU time so far, in seconds. */
  cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  /** The most memory that was resident at once. */
  peakMegabytes(): number {
    return peakMegabytes(this.pid) + this.#guard(residentMegabytes);
  }

  /** Memory that is resident now. */
  residentMegabytes(): number {
    return residentMegabytes(this.pid) + this.#guard(residentMegabytes);
  }

  /** The part of it that is not pages of a file, which the system could drop and other processes can share. */
  anonymousMegabytes(): number {
    return anonymousMegabytes(this.pid) + this.#guard(anonymousMegabytes);
  }

  /** Ours has a shell beside it that guards what it has started: its memory counts. */
  #guard(measure: (pid: number) => number): number {
    const guard = guardOf(this.pid);
    return guard === undefined ? 0 : measure(guard);
  }

  async stop(): Promise<void> {
    this.#child.stdin?.close();
    this.#child.signalGroup(SIGTERM);
    const late = setTimeout(() => this.#child.signalGroup(SIGKILL), END_MS);
    await this.#child.exited;
    clearTimeout(late);
    running.delete(this);
    this.#child.stdin?.destroy();
    this.#child.stdout.cancel();
    this.#child.stderr?.cancel();
  }

  async #readUrl(): Promise<string> {
    let text = "";
    const decoder = new TextDecoder();
    while (!text.includes("\n")) {
      const bytes = await this.#child.stdout.read();
      if (bytes === null) throw new Error(`The server ended before it listened: ${this.#stderr}`);
      text += decoder.decode(bytes, { stream: true });
    }
    return text.slice(0, text.indexOf("\n"));
  }

  async #keepStderr(): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const bytes = await this.#child.stderr?.read().catch(() => null);
      if (!bytes) return;
      this.#stderr = (this.#stderr + decoder.decode(bytes, { stream: true })).slice(-2000);
    }
  }
}
