/** The servers that the end-to-end suite runs against, and how each is started. */

import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { until, within } from "./deadline.ts";
import { isAlive, processesIn } from "./proc.ts";
import { bun, codex138, codex169, deno, executable, type Found, root } from "./programs.ts";

export type ServerId = "bun" | "deno" | "executable" | "codex-0.138.0" | "codex-0.169.0";
export type Transport = "websocket" | "stdio";

/** One of the servers. */
export interface Server {
  readonly id: ServerId;
  /** False for the real codex. */
  readonly ours: boolean;
  /** Why it cannot be run here. */
  readonly missing: string | undefined;
  /** Program and arguments before those of the listener. */
  readonly command: readonly string[];
}

const cli = join(root, "cli.ts");
const noEnvFile = "--no-env-file";
const config = ["--config", join(root, "deno.json")];

export const servers: readonly Server[] = [
  server("bun", true, bun, [noEnvFile, cli, "serve"]),
  server("deno", true, deno, ["run", "-A", ...config, cli, "serve"]),
  server("executable", true, executable, ["serve"]),
  server("codex-0.138.0", false, codex138, ["exec-server"]),
  server("codex-0.169.0", false, codex169, ["exec-server"]),
];

function server(id: ServerId, ours: boolean, found: Found, args: string[]): Server {
  return "path" in found
    ? { id, ours, missing: undefined, command: [found.path, ...args] }
    : { id, ours, missing: found.missing, command: [] };
}

/** How to start one. */
export interface LaunchOptions {
  /** After the command. @default ["--listen", "ws://127.0.0.1:0"] */
  args?: readonly string[];
  /** Laid over the environment. */
  env?: Record<string, string | undefined>;
  /** @default The folder of the server. */
  cwd?: string;
  /** A program with its arguments that becomes the server, as `setpriv` does. */
  through?: (folder: ServerFolder) => readonly string[];
}

/** A folder of its own for a server and its children: whatever is left of them is found by it. */
export class ServerFolder {
  readonly path: string = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-e2e-")));
  /** TMPDIR of the server. */
  readonly temporary: string = join(this.path, "tmp");
  readonly home: string = join(this.path, "home");

  constructor() {
    for (const name of ["tmp", "home", "codex", "work"]) mkdirSync(join(this.path, name));
  }

  get work(): string {
    return join(this.path, "work");
  }

  env(): Record<string, string> {
    return {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: this.home,
      TMPDIR: this.temporary,
      CODEX_HOME: join(this.path, "codex"),
      LANG: "C.UTF-8",
      // Else each folder would begin with an empty cache of compiled sources.
      DENO_DIR: process.env.DENO_DIR ?? join(homedir(), ".cache", "deno"),
      DENO_NO_UPDATE_CHECK: "1",
    };
  }

  /** Waits until no process is left in the folder and removes it. */
  async remove(options: { strict: boolean }): Promise<void> {
    try {
      if (options.strict) {
        await until(
          2000,
          () => `end of what was started: ${describe(this.path)} left`,
          () => {
            return processesIn(this.path).length === 0;
          },
        );
        const left = readdirSync(this.temporary);
        if (left.length > 0) throw new Error(`The server left in its TMPDIR: ${left.join(", ")}`);
      }
    } finally {
      for (const pid of processesIn(this.path)) kill(pid);
      rmSync(this.path, { recursive: true, force: true });
    }
  }
}

function describe(folder: string): string {
  return processesIn(folder).join(", ");
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

/** A running server. */
export class Running {
  readonly server: Server;
  readonly child: Subprocess<"pipe", "pipe", "pipe">;
  readonly folder: ServerFolder;
  /** What came on stderr so far. */
  stderr = "";

  constructor(server: Server, folder: ServerFolder, options: LaunchOptions = {}) {
    if (server.missing !== undefined) throw new Error(`No ${server.id}: ${server.missing}`);
    this.server = server;
    this.folder = folder;
    const env: Record<string, string | undefined> = { ...folder.env(), ...options.env };
    for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name];
    const through = options.through?.(folder) ?? [];
    const command = [...through, ...server.command];
    this.child = Bun.spawn([...command, ...(options.args ?? ["--listen", "ws://127.0.0.1:0"])], {
      cwd: options.cwd ?? folder.work,
      env,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.stderrEnd = this.#collectStderr();
  }

  readonly stderrEnd: Promise<void>;

  get pid(): number {
    return this.child.pid;
  }

  async #collectStderr(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.child.stderr) this.stderr += decoder.decode(bytes, { stream: true });
  }

  /** Exit status, -N for signal N. */
  async exit(ms = 5000): Promise<number> {
    const status = await within(
      ms,
      () => `end of ${this.server.id}; stderr: ${this.stderr}`,
      this.child.exited,
    );
    await within(ms, "end of stderr", this.stderrEnd);
    return this.child.signalCode === null ? status : -(status - 128);
  }

  /** Ends it and waits for its end. */
  async stop(): Promise<void> {
    if (isAlive(this.pid)) this.child.kill("SIGTERM");
    try {
      // The peer over stdio lingers until its input ends.
      this.child.stdin.end();
    } catch {
      // Closed already.
    }
    try {
      await this.exit(3000);
    } catch (error) {
      this.child.kill("SIGKILL");
      if (this.server.ours) throw error;
    }
  }
}

/** A server that listens. */
export class Listening extends Running {
  /** What it printed. */
  url = "";
  #printed = "";
  readonly #reader = this.child.stdout.getReader();

  static async start(server: Server, folder: ServerFolder, options: LaunchOptions = {}): Promise<Listening> {
    const running = new Listening(server, folder, options);
    running.url = await within(
      10_000,
      () => `address of ${server.id}; stderr: ${running.stderr}`,
      running.#readLine(),
    );
    return running;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async #readLine(): Promise<string> {
    const decoder = new TextDecoder();
    for (;;) {
      const end = this.#printed.indexOf("\n");
      if (end >= 0) return this.#printed.slice(0, end);
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`${this.server.id} ended before it listened: ${this.stderr}`);
      this.#printed += decoder.decode(value, { stream: true });
    }
  }

  /** Everything on stdout, once the server has ended. */
  async allStdout(): Promise<string> {
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return this.#printed;
      this.#printed += decoder.decode(value, { stream: true });
    }
  }
}
