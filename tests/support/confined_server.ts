/** A server of ours as another user, or where bubblewrap cannot work, for tests that try to get out of a sandbox. */

import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { within } from "./deadline.ts";
import { RawClient } from "./raw_client.ts";
import { RawProcess, type Told } from "./raw_process.ts";
import { type Server, ServerFolder, type ServerId, servers } from "./servers.ts";

/** Who runs the server. */
export type User = "root" | "ordinary";

export interface ConfinedServerOptions {
  user: User;
  /** @default The executable where there is one, else the sources on Bun. */
  id?: ServerId | undefined;
  /** Flags of `serve`. */
  flags?: readonly string[];
  /** User namespaces are used up, as on some hosts. */
  withoutNamespaces?: boolean;
}

const ORDINARY = 65534;
/** A descriptor that the server has from whoever started it: of the file {@link ConfinedServer.inherited}. */
export const INHERITED_FD = 9;
const asOrdinary = ["setpriv", `--reuid=${ORDINARY}`, `--regid=${ORDINARY}`, "--clear-groups"] as const;

/** Why tests as this user cannot be run here. */
export function cannotBe(user: User, id?: ServerId): string | undefined {
  const { missing, command } = serverOf(id);
  if (missing !== undefined) return missing;
  const isRoot = process.getuid?.() === 0;
  if (user === "root") return isRoot ? undefined : "the tests do not run as root";
  if (!isRoot) return undefined;
  const version = [...command.filter((word) => word !== "serve"), "--version"];
  const { error, status } = spawnSync(asOrdinary[0], [...asOrdinary.slice(1), ...version]);
  if (error) return "there is no setpriv";
  return status === 0 ? undefined : "other users cannot read the program under test";
}

function serverOf(id?: ServerId): Server {
  const found = (id === undefined ? (["executable", "bun"] as const) : [id]).map(
    (each) => servers.find((server) => server.id === each)!,
  );
  return found.find(({ missing }) => missing === undefined) ?? found[0]!;
}

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
    id,
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
    // What the server was left by whoever started it, for nobody else.
    const leaving = ["sh", "-c", `exec ${INHERITED_FD}>>"$0" && exec "$@"`, join(folder.path, "inherited")];
    const serve = [...serverOf(id).command, "--listen", "ws://127.0.0.1:0", ...flags];
    const child = Bun.spawn([...(isOther ? asOrdinary : []), ...exhausted, ...leaving, ...serve], {
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

  get inherited(): string {
    return join(this.folder.path, "inherited");
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
