/** One suite over several servers: what a test file is written with. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type RequirementId, requirements } from "../requirements.ts";
import { until } from "./deadline.ts";
import { type Difference, differences } from "./differences.ts";
import { childrenOf, descriptorsOf } from "./proc.ts";
import { RawClient, StdioClient } from "./raw_client.ts";
import { RawProcess, type Told } from "./raw_process.ts";
import { RawSocket } from "./raw_socket.ts";
import {
  type LaunchOptions,
  Listening,
  type Server,
  ServerFolder,
  type ServerId,
  servers,
  type Transport,
} from "./servers.ts";

/** On what a suite runs. */
export interface SuiteOptions {
  /** @default Every server. */
  servers?: (server: Server) => boolean;
  /** Why it cannot run on this machine, or for this user. */
  missing?: string | undefined;
  /** @default Both. */
  transports?: readonly Transport[];
  /** For the peers, where a transport makes no difference. @default As `transports`. */
  peerTransports?: readonly Transport[];
  /** How the websocket server is started. */
  launch?: LaunchOptions;
}

export const ours = (server: Server): boolean => server.ours;

const TIMEOUT_MS = 30_000;

/** A test of a requirement, named by it; `detail` tells several tests of one requirement apart. */
export function verifies(
  id: RequirementId,
  ...[detail, body, timeoutMs]:
    | [body: () => unknown, timeoutMs?: number]
    | [detail: string, body: () => unknown, timeoutMs?: number]
): void {
  if (!(id in requirements)) throw new Error(`"${id}" is no requirement: add it to tests/requirements.ts`);
  const named = typeof detail === "string";
  const name = named ? `${id} (${detail})` : id;
  const run = (named ? body : detail) as () => unknown;
  const limit = (named ? timeoutMs : body) as number | undefined;
  test(name, async () => void (await run()), limit ?? TIMEOUT_MS);
}

/** Runs the suite once for each server and transport. */
export function suite(title: string, options: SuiteOptions, body: (t: Harness) => void): void {
  for (const server of servers) {
    if (options.servers && !options.servers(server)) continue;
    const missing = options.missing ?? server.missing;
    const { transports = ["websocket", "stdio"], peerTransports = transports } = options;
    for (const transport of server.ours ? transports : peerTransports) {
      const name = `${title}: ${server.id} over ${transport}`;
      if (missing !== undefined) {
        test.skip(`${name}: ${missing}`, () => {});
        continue;
      }
      describe(name, () => {
        const harness = new Harness(server, transport, options.launch ?? {});
        beforeAll(() => harness.open());
        afterEach(() => harness.afterEach());
        afterAll(() => harness.close(), TIMEOUT_MS);
        body(harness);
      });
    }
  }
}

export class Harness {
  readonly server: Server;
  readonly transport: Transport;
  folder!: ServerFolder;
  #listening: Listening | undefined;
  #shared: RawClient | undefined;
  /** What a suite opened beside the harness, closed before the server is. */
  readonly closing: (() => Promise<unknown>)[] = [];
  #fresh: (RawClient | RawSocket)[] = [];
  readonly #launch: LaunchOptions;
  #socketsAtStart = 0;

  constructor(server: Server, transport: Transport, launch: LaunchOptions) {
    this.server = server;
    this.transport = transport;
    this.#launch = launch;
  }

  get ours(): boolean {
    return this.server.ours;
  }

  get id(): ServerId {
    return this.server.id;
  }

  get listening(): Listening {
    if (!this.#listening) throw new Error("Only a websocket server listens");
    return this.#listening;
  }

  /** Of the server that the shared client speaks to. */
  get pid(): number {
    if (this.#listening) return this.#listening.pid;
    return (this.#shared as StdioClient).running.pid;
  }

  async open(): Promise<void> {
    this.folder = new ServerFolder();
    if (this.transport !== "websocket") return;
    this.#listening = await Listening.start(this.server, this.folder, this.#launch);
    this.#socketsAtStart = this.#sockets();
  }

  /** The initialised client that the tests of a suite share. */
  async client(): Promise<RawClient> {
    if (!this.#shared || this.#shared.isClosed) {
      this.#shared = await (await this.#connect()).initialize();
    }
    return this.#shared;
  }

  /** A client of its own for a test, closed after it. */
  async fresh(options: { initialize?: boolean; resume?: string } = {}): Promise<RawClient> {
    const client = await this.#connect();
    this.#fresh.push(client);
    if (options.initialize === false) return client;
    return await client.initialize(options.resume === undefined ? {} : { resumeSessionId: options.resume });
  }

  /** A connection that speaks bytes, closed after the test. */
  async socket(): Promise<RawSocket> {
    const socket = await RawSocket.connect(this.listening.port);
    this.#fresh.push(socket);
    return socket;
  }

  async #connect(): Promise<RawClient> {
    return this.transport === "websocket"
      ? await RawClient.websocket(this.listening.url)
      : new StdioClient(this.server, this.folder, {
          ...this.#launch,
          args: [...(this.#launch.args ?? []), "--listen", "stdio"],
        });
  }

  /** A path as the server takes it. */
  path(path: string): string {
    return this.id === "codex-0.138.0" ? path : pathToFileURL(path).href;
  }

  /** What `process/start` needs besides an id; text is for a shell. */
  params(command: string | readonly string[], more: object = {}): Record<string, unknown> {
    return {
      argv: typeof command === "string" ? ["/bin/sh", "-c", command] : command,
      cwd: this.path(this.folder.work),
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      tty: false,
      ...more,
    };
  }

  /** Starts a process on the shared client. */
  async start(command: string | readonly string[], more: object = {}): Promise<RawProcess> {
    return await new RawProcess(await this.client()).start(this.params(command, more));
  }

  /** Starts a process on the shared client and waits for its end. */
  async run(command: string | readonly string[], more: object = {}, ms?: number): Promise<Told> {
    return await (await this.start(command, more)).closed(ms);
  }

  /** The error of a start that is refused. */
  async refusal(params: Record<string, unknown>): Promise<{ code: number; message: string }> {
    const client = await this.client();
    const processId = (params.processId as string | undefined) ?? `refused-${Math.random()}`;
    const answer = await client.ask("process/start", { ...params, processId });
    if (answer.error) return answer.error;
    await client.call("process/terminate", { processId });
    throw new Error("The start was not refused");
  }

  /** What this server is known to do otherwise in a case. */
  difference(id: keyof typeof differences): { does: unknown } | undefined {
    const { does } = differences[id] as Difference;
    return this.id in does ? { does: does[this.id] } : undefined;
  }

  /** Expects what the protocol says, or the declared difference. */
  same(id: keyof typeof differences, actual: unknown, expected: unknown): void {
    const difference = this.difference(id);
    expect(actual).toEqual(difference ? difference.does : expected);
  }

  async afterEach(): Promise<void> {
    for (const client of this.#fresh.splice(0)) await this.#end(client);
  }

  async #end(client: RawClient | RawSocket): Promise<void> {
    if (client instanceof StdioClient) {
      if (this.ours) await client.close();
      else await client.running.stop();
    } else await client.close();
  }

  async close(): Promise<void> {
    let inOrder = false;
    try {
      await this.afterEach();
      for (const close of this.closing) await close();
      if (this.#listening && this.ours && !this.#shared?.isClosed) {
        const { pid } = this.#listening;
        await until(
          3000,
          () => `end of the children of the server (${childrenOf(pid)})`,
          () => {
            return childrenOf(pid).length === 0;
          },
        );
      }
      if (this.#shared) await this.#end(this.#shared);
      if (this.#listening && this.ours) {
        await until(
          3000,
          () => `end of connections: ${this.#sockets()} sockets`,
          () => {
            return this.#sockets() <= this.#socketsAtStart;
          },
        );
      }
      await this.#listening?.stop();
      inOrder = true;
    } finally {
      await this.folder.remove({ strict: this.ours && inOrder });
    }
    expect(existsSync(this.folder.path)).toBe(false);
  }

  #sockets(): number {
    return descriptorsOf(this.listening.pid).filter((target) => target.startsWith("socket:")).length;
  }
}
