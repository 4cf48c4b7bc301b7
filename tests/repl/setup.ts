/** A folder with environments, a server to reach, and ways to start the REPL on them. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentInfo } from "../../lib/server/info.ts";
import { root, TmuxTerminal } from "./tmux.ts";

const entry = join(root, "tests", "support", "repl_main.ts");
const deno = join(root, "tests", "peers", "node_modules", ".bin", "deno");

/** The shell that the prompt has here, by its name. */
export const shellName: string = environmentInfo().shell.name;

/** Commands that run a program of ours, by runtime. */
export const runtimes: Readonly<Record<string, readonly string[]>> = {
  bun: [process.execPath],
  ...(existsSync(deno) ? { deno: [deno, "run", "-A"] } : {}),
};

const serverMain = `
import { listen } from ${JSON.stringify(join(root, "lib/server/listen.ts"))};
import { currentRuntime } from ${JSON.stringify(join(root, "lib/runtime/runtime.ts"))};
const listener = await listen(await currentRuntime(), { port: Number(process.argv[2] ?? 0) });
console.log(listener.url);
`;
const stdioMain = `
import { serveStdio } from ${JSON.stringify(join(root, "lib/server/listen.ts"))};
import { currentRuntime } from ${JSON.stringify(join(root, "lib/runtime/runtime.ts"))};
await serveStdio(await currentRuntime()).ended;
process.exit(0);
`;

export interface ScriptResult {
  stdout: Buffer;
  stderr: Buffer;
  status: number | null;
}

/** One temporary folder and what was started for it. */
export class Setup implements AsyncDisposable {
  readonly home = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-repl-")));
  readonly history = join(this.home, "state", "history");
  /** Where the REPL and its servers begin. */
  readonly folder = join(this.home, "work");
  #server: ChildProcess | undefined;
  #url = "ws://127.0.0.1:1";

  static async open(options: { server?: boolean } = {}): Promise<Setup> {
    const setup = new Setup();
    mkdirSync(setup.folder);
    writeFileSync(join(setup.home, "server.ts"), serverMain);
    writeFileSync(join(setup.home, "stdio.ts"), stdioMain);
    if (options.server) await setup.startServer();
    const text = (value: string) => JSON.stringify(value);
    writeFileSync(
      join(setup.home, "environments.toml"),
      `include_local = true
[[environments]]
id = "box"
url = ${text(setup.#url)}
[[environments]]
id = "pipe"
program = ${text(process.execPath)}
args = [${text(join(setup.home, "stdio.ts"))}]
[[environments]]
id = "down"
url = "ws://127.0.0.1:1"
`,
    );
    return setup;
  }

  /** Starts the websocket server, the second time where it was. */
  async startServer(): Promise<void> {
    const port = /:(\d+)$/.exec(this.#url)![1]!;
    const child = spawn(process.execPath, [join(this.home, "server.ts"), port === "1" ? "0" : port], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#server = child;
    this.#url = await new Promise<string>((resolve, reject) => {
      child.stdout!.once("data", (bytes) => resolve(String(bytes).trim()));
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
  }

  async killServer(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await gone;
  }

  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      PATH: process.env.PATH!,
      HOME: this.home,
      LANG: "C.UTF-8",
      CODEX_HOME: this.home,
      REPL_HISTORY: this.history,
      ...more,
    };
  }

  async terminal(
    options: {
      environment?: string;
      runtime?: string;
      env?: Record<string, string>;
      columns?: number;
      rows?: number;
    } = {},
  ): Promise<TmuxTerminal> {
    const { runtime = "bun", environment, env, ...size } = options;
    return await TmuxTerminal.open({
      // tmux has its own idea of TERM.
      command: [
        ...(env?.TERM ? ["env", `TERM=${env.TERM}`] : []),
        ...runtimes[runtime]!,
        entry,
        ...(environment ? [environment] : []),
      ],
      env: this.env(env),
      cwd: this.folder,
      ...size,
    });
  }

  /** Runs a script from a pipe. `isCut`: whoever reads its output goes when the first has come, as `head` does. */
  async script(
    text: string,
    options: { runtime?: string; environment?: string; env?: Record<string, string>; isCut?: boolean } = {},
  ): Promise<ScriptResult> {
    const [file, ...args] = [...runtimes[options.runtime ?? "bun"]!, entry];
    const child = spawn(file!, [...args, ...(options.environment ? [options.environment] : [])], {
      cwd: this.folder,
      env: this.env(options.env),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (bytes) => stdout.push(bytes));
    child.stderr.on("data", (bytes) => stderr.push(bytes));
    if (options.isCut) child.stdout.once("data", () => child.stdout.destroy());
    child.stdin.end(text);
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), status };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killServer();
    rmSync(this.home, { recursive: true, force: true });
  }
}
