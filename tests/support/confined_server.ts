/** A server of ours as another user, or where bubblewrap cannot work, for tests that try to get out of a sandbox. */

import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { within } from "./deadline.ts";
import { RawClient } from "./raw_client.ts";
import { RawProcess, type Told } from "./raw_process.ts";
import { ServerFolder, servers } from "./servers.ts";

/** Who runs the server. */
export type User = "root" | "ordinary";

export interface ConfinedServerOptions {
  user: User;
  /** Flags of `serve`. */
  flags?: readonly string[];
  /** User namespaces are used up, as on some hosts. */
  withoutNamespaces?: boolean;
}

const ORDINARY = 65534;
const asOrdinary = ["setpriv", `--reuid=${ORDINARY}`, `--regid=${ORDINARY}`, "--clear-groups"] as const;

/** Why tests as this user cannot be run here. */
export function cannotBe(user: User): string | undefined {
  const isRoot = process.getuid?.() === 0;
  if (user === "root") return isRoot ? undefined : "the tests do not run as root";
  if (!isRoot) return undefined;
  const { error, status } = spawnSync(asOrdinary[0], [...asOrdinary.slice(1), ...command, "--version"]);
  if (error) return "there is no setpriv";
  return status === 0 ? undefined : "other users cannot read the program under test";
}

/** Of the executable where there is one, else of the sources. */
const command: readonly string[] = ["executable", "bun"]
  .map((id) => servers.find((server) => server.id === id)!)
  .find(({ missing }) => missing === undefined)!
  .command.filter((word) => word !== "serve");

/** How a command of the process ended, with what it was told of its sandbox. */
export interface ConfinedOutcome extends Told {
  denied: boolean;
}

export class ConfinedServer {
  readonly folder: ServerFolder;
  readonly client: RawClient;
  readonly child: Bun.Subprocess<"ignore", "pipe", "inherit">;

  /** The server's user is not ours. */
  readonly isOther: boolean;

  private constructor(
    folder: ServerFolder,
    child: ConfinedServer["child"],
    client: RawClient,
    isOther: boolean,
  ) {
    this.folder = folder;
    this.child = child;
    this.client = client;
    this.isOther = isOther;
  }

  static async start({
    user,
    flags = [],
    withoutNamespaces,
  }: ConfinedServerOptions): Promise<ConfinedServer> {
    const folder = new ServerFolder();
    const isOther = user === "ordinary" && process.getuid?.() === 0;
    if (isOther) {
      for (const path of [folder.path, folder.work, folder.temporary, folder.home])
        chownSync(path, ORDINARY, ORDINARY);
    }
    const noMore = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"';
    const exhausted = withoutNamespaces
      ? ["unshare", "--user", "--map-root-user", "sh", "-c", noMore, "sh"]
      : [];
    const serve = [...command, "serve", "--listen", "ws://127.0.0.1:0", ...flags];
    const child = Bun.spawn([...(isOther ? asOrdinary : []), ...exhausted, ...serve], {
      cwd: folder.work,
      env: folder.env(),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const { value } = await within(20_000, "address of the server", child.stdout.getReader().read());
    if (value === undefined) {
      await folder.remove({ strict: true });
      throw new Error("The server ended before it listened");
    }
    const url = new TextDecoder().decode(value).trim();
    const client = await (await RawClient.websocket(url)).initialize();
    return new ConfinedServer(folder, child, client, isOther);
  }

  get work(): string {
    return this.folder.work;
  }

  /** Makes a folder that is the user's own, beside the workspace. */
  makeFolder(name: string): string {
    const path = join(this.folder.path, name);
    mkdirSync(path, { recursive: true });
    if (this.isOther) chownSync(path, ORDINARY, ORDINARY);
    return path;
  }

  /** Gives something to the server's user. */
  own(path: string): void {
    chownSync(path, ORDINARY, ORDINARY);
  }

  params(command: string | readonly string[], more: object = {}): Record<string, unknown> {
    return {
      argv: typeof command === "string" ? ["/bin/bash", "-c", command] : command,
      cwd: `file://${this.work}`,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", TMPDIR: this.folder.temporary },
      tty: false,
      ...more,
    };
  }

  async start(command: string | readonly string[], more: object = {}): Promise<RawProcess> {
    return await new RawProcess(this.client).start(this.params(command, more));
  }

  async run(command: string | readonly string[], more: object = {}): Promise<ConfinedOutcome> {
    const process = await this.start(command, more);
    const told = await process.closed();
    const exit = process.events.find(({ kind }) => kind === "exited")!;
    return { ...told, denied: exit.sandboxDenied === true };
  }

  async close(): Promise<void> {
    await this.client.close();
    this.child.kill("SIGTERM");
    try {
      await within(5000, "end of the server", this.child.exited);
    } finally {
      await this.folder.remove({ strict: true });
    }
  }
}
