/** The shell of one environment: where it stands, and how a line of it is started. */

import type { Client, StartOptions } from "../client/client.ts";
import type { Process } from "../client/process.ts";
import type { Environment } from "../environments/environment.ts";
import type { EnvironmentInfo } from "../protocol/environment.ts";
import { RpcError } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import type { SandboxMode } from "../protocol/sandbox.ts";
import { sandboxOf } from "../protocol/sandbox_modes.ts";
import type { TerminalSize } from "../runtime/runtime.ts";
import { Job } from "./job.ts";
import { lineLabels } from "./process_commands.ts";
import { initialState, isPosixShell, lineCommand, nextState, type ShellState } from "./shell_script.ts";

export interface LineOptions {
  stdin: "null" | "pipe";
  /** Run in a terminal of this size, whose kind is told in TERM. */
  terminal?: { size: TerminalSize; variables: Readonly<Record<string, string>> };
}

/** The working directory is not there any more; nothing was run. */
export class FolderGone extends Error {
  override readonly name = "FolderGone";
}

export class Shell {
  readonly environment: Environment;
  info: EnvironmentInfo | undefined;
  state: ShellState = { cwd: undefined, env: null };
  /** Status of the last line. */
  status = 0;
  /** The connection that was seen last. */
  client: Client | undefined;
  /** Names of programs on its PATH, by the PATH they are of. */
  programs: { path: string; names: string[] } | undefined;
  readonly #onConnected: (shell: Shell, client: Client) => void;
  /** Variables that only the terminal of a line had. */
  #terminalVariables: Readonly<Record<string, string>> = {};

  readonly #sandbox: SandboxMode | undefined;

  /** @param onConnected Called for every fresh connection. */
  constructor(
    environment: Environment,
    onConnected: (shell: Shell, client: Client) => void,
    sandbox?: SandboxMode,
  ) {
    this.environment = environment;
    this.#onConnected = onConnected;
    this.#sandbox = sandbox;
  }

  /** Where the shell began: `cd` does not widen what may be written. */
  #workspace(): string[] {
    return this.info?.cwd ? [pathFromWire(this.info.cwd)] : [];
  }

  get id(): string {
    return this.environment.id;
  }

  /** Home folder on the machine, if it is known. */
  get home(): string | undefined {
    const { userHomeDir } = this.info ?? {};
    return this.state.env?.HOME ?? (userHomeDir ? pathFromWire(userHomeDir) : undefined);
  }

  /** True while there is a connection. */
  get isConnected(): boolean {
    return this.client?.connected ?? false;
  }

  /** The connection is lost, but the session with its jobs may come back. */
  get isComingBack(): boolean {
    return this.client !== undefined && !this.client.connected && this.client.closeReason === undefined;
  }

  /** Connects if there is no connection. Throws as {@link Environment.client} does. */
  async connect(): Promise<Client> {
    const client = await this.environment.client();
    if (client === this.client) return client;
    this.info = await client.info();
    this.client = client;
    if (this.state.cwd === undefined) this.state = { ...initialState(this.info), env: this.state.env };
    this.#onConnected(this, client);
    // Servers up to 0.138.0 do not tell where they are.
    if (this.state.cwd === undefined && isPosixShell(this.info)) await this.#askForFolder();
    return client;
  }

  /**
   * Starts a line.
   * @throws {FolderGone} `state` names another folder now.
   * @throws As {@link connect} and {@link Client.start} do.
   */
  async start(text: string, options: LineOptions): Promise<Job> {
    await this.connect();
    const nonce = crypto.randomUUID().replaceAll("-", "");
    const { terminal } = options;
    this.#terminalVariables = terminal?.variables ?? {};
    const argv = lineCommand(this.info!, text, nonce, this.status);
    const env = { ...this.state.env, ...terminal?.variables };
    const { cwd } = this.state;
    let process: Process;
    try {
      process = await this.run(argv, {
        env,
        labels: lineLabels(text),
        ...(terminal ? { terminal: terminal.size } : { stdin: options.stdin }),
      });
    } catch (error) {
      const client = this.client!;
      if (!(error instanceof RpcError) || cwd === undefined || (await this.#folderExists(client, cwd)))
        throw error;
      throw await this.#leaveFolder(client, cwd);
    }
    return new Job({ process, nonce, text, environmentId: this.id, terminal: terminal !== undefined });
  }

  /** Starts any program where the shell stands. Throws as {@link connect} and {@link Client.start} do. */
  async run(argv: readonly string[], options: Omit<StartOptions, "argv"> = {}): Promise<Process> {
    const client = await this.connect();
    const { cwd, env } = this.state;
    return await client.start({
      argv,
      env: env ?? {},
      ...(env ? { envPolicy: null } : {}),
      ...(cwd === undefined ? {} : { cwd }),
      ...(this.#sandbox === undefined ? {} : { sandbox: sandboxOf(this.#sandbox, this.#workspace()) }),
      ...options,
    });
  }

  /** Takes what a line has reported. */
  adopt(job: Job): void {
    if (!job.report) return;
    const terminal = this.#terminalVariables;
    const next = nextState(this.state, job.report);
    if (!job.terminal) {
      this.state = next;
      return;
    }
    // What describes the terminal ends with it.
    const env: Record<string, string> = { ...next.env };
    for (const [name, value] of Object.entries(terminal)) {
      if (env[name] !== value) continue;
      const before = this.state.env?.[name];
      if (before === undefined) delete env[name];
      else env[name] = before;
    }
    this.state = { cwd: next.cwd, env };
  }

  /** Forgets folder and variables. */
  reset(): void {
    this.state = this.info ? initialState(this.info) : { cwd: undefined, env: null };
  }

  async #askForFolder(): Promise<void> {
    const job = await this.start(":", { stdin: "null" });
    job.run();
    await job.settled;
    this.adopt(job);
  }

  async #folderExists(client: Client, cwd: string): Promise<boolean> {
    try {
      const { shell } = this.info!;
      const probe = await client.start({ argv: [shell.path, "-c", "exit 0"], cwd });
      await probe.wait();
      return true;
    } catch {
      return false;
    }
  }

  /** Goes up until there is a folder. */
  async #leaveFolder(client: Client, gone: string): Promise<FolderGone> {
    let cwd = gone;
    do {
      cwd = cwd.replace(/\/+[^/]*\/*$/, "") || "/";
    } while (cwd !== "/" && !(await this.#folderExists(client, cwd)));
    this.state = { ...this.state, cwd };
    return new FolderGone(`The folder "${gone}" is gone: you are in "${cwd}" now, and the line was not run`);
  }
}
