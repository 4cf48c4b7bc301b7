/** A real terminal for a program under test: tmux with a server, a configuration and a screen of its own. */

import { spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why the tests cannot run here, if they cannot. */
export const missing = ["tmux", "vim", "less", "stty"].filter(
  (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0,
);

const PATIENCE_MS = 8_000;
let count = 0;

export interface TerminalOptions {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  columns?: number;
  rows?: number;
}

/** One program on one screen. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #socket = join(tmpdir(), `exec-server-repl-${process.pid}-${++count}.tmux`);

  static async open({ command, env, cwd, columns = 80, rows = 24 }: TerminalOptions): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal();
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    await terminal.#tmux(
      ["-f", "/dev/null", "new-session", "-d", "-x", String(columns), "-y", String(rows), "-c", cwd],
      [
        `${quoted}; echo "ended with $?"; stty -a | tr ';' '\\n' | grep -wo -e '-*icanon' -e '-*opost' -e '-*echo'; read x`,
      ],
      env,
    );
    return terminal;
  }

  /** Keys by their tmux names. */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux(["send-keys"], keys);
  }

  /** Text as it is typed. */
  async type(text: string): Promise<void> {
    await this.#tmux(["send-keys", "-l"], [text]);
  }

  /** A line and Enter. */
  async line(text: string): Promise<void> {
    await this.type(text);
    await this.keys("Enter");
  }

  /** As a terminal pastes: between brackets where the program has asked for them. */
  async paste(text: string): Promise<void> {
    await this.#tmux(["set-buffer"], [text]);
    await this.#tmux(["paste-buffer", "-p"], []);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux(["resize-window", "-x", String(columns), "-y", String(rows)], []);
  }

  /** What is on the screen, without blank rows at its end. */
  async screen(options: { colours?: boolean; history?: boolean } = {}): Promise<string> {
    const flags = [...(options.colours ? ["-e"] : []), ...(options.history ? ["-S", "-"] : [])];
    return (await this.#tmux(["capture-pane", "-p", ...flags], [])).trimEnd();
  }

  /** Waits until the screen is as wanted; gives what was there. */
  async until(
    wanted: RegExp | ((screen: string) => boolean),
    options: { colours?: boolean } = {},
  ): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    let screen = "";
    for (;;) {
      screen = await this.screen(options);
      if (typeof wanted === "function" ? wanted(screen) : wanted.test(screen)) return screen;
      if (performance.now() > deadline)
        throw new Error(`Waited for ${wanted}, but the screen is:\n${screen.slice(-3000)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Runs a line and waits for the prompt behind it; gives what stands between. */
  async run(line: string): Promise<string> {
    await this.line(line);
    const screen = await this.until((text) => /[$] $|[$]$/.test(lastLine(text)) && text.includes(line));
    const lines = screen.split("\n");
    const from = lines.findLastIndex((text) => text.endsWith(`$ ${line}`));
    return lines.slice(from + 1, -1).join("\n");
  }

  /** Waits for a prompt with nothing behind it. */
  async prompt(): Promise<string> {
    return await this.until((text) => /^[\w-]+:.*\$$/.test(lastLine(text)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux(["kill-server"], []).catch(() => {});
    rmSync(this.#socket, { force: true });
  }

  async #tmux(
    command: readonly string[],
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<string> {
    const words = ["-S", this.#socket, ...command, ...(args.length > 0 ? ["--", ...args] : [])];
    const child = spawn("tmux", words, {
      env: { PATH: process.env.PATH, HOME: "/", LANG: "C.UTF-8", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
    const status = await new Promise((resolve) => child.on("close", resolve));
    if (status !== 0) throw new Error(`tmux ${words.join(" ").slice(0, 200)}: ${stderr}`);
    return stdout;
  }
}

function lastLine(text: string): string {
  return text.slice(text.lastIndexOf("\n") + 1).trimEnd();
}

/** The checkout. */
export const root = join(import.meta.dir, "..", "..");
