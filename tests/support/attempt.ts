/** What tests that try to get out of a sandbox share: a server as each user, a workspace, and what lies beside it. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfinedServer, cannotBe, type User } from "./confined_server.ts";
import { isRoot } from "./ordinary_user.ts";
import type { RawProcess } from "./raw_process.ts";
import { noBubblewrap, workspaceWrite } from "./sandbox.ts";

const TIMEOUT_MS = 30_000;

/** Programs under test: from the sources and compiled. */
const programs = ["bun", "executable"] as const;

/** Runs a suite as each user, over each program, with a server of its own. */
export function asEachUser(title: string, body: (s: () => Attempt) => void, withoutNamespaces = false): void {
  for (const [id, user] of programs.flatMap(
    (id) =>
      [
        [id, "root"],
        [id, "ordinary"],
      ] as const,
  )) {
    const name = `${title} as ${user} (${id})`;
    const missing = cannotBe(user, id) ?? (withoutNamespaces ? undefined : noBubblewrap);
    if (missing !== undefined) {
      test.skip(`${name}: ${missing}`, () => {});
      continue;
    }
    describe(name, () => {
      let attempt: Attempt | undefined;
      beforeAll(async () => {
        attempt = new Attempt(await ConfinedServer.start({ user, id, withoutNamespaces }), user);
      }, TIMEOUT_MS);
      afterEach(() => attempt!.clear());
      afterAll(() => attempt?.server.close(), TIMEOUT_MS);
      body(() => attempt!);
    });
  }
}

/** A workspace, what lies beside it, and ways to look at both. */
export class Attempt {
  readonly server: ConfinedServer;
  readonly user: User;
  readonly outside: string;
  readonly #running: RawProcess[] = [];

  constructor(server: ConfinedServer, user: User) {
    this.server = server;
    this.user = user;
    this.outside = server.makeFolder("outside");
    this.clear();
  }

  get work(): string {
    return this.server.work;
  }

  /** A process that is not confined, until the end of the test. */
  async free(command: string): Promise<RawProcess> {
    const process = await this.server.start(command);
    this.#running.push(process);
    return process;
  }

  /** Everything in the workspace by the user itself, so that it owns it. */
  async prepare(command: string): Promise<void> {
    const told = await this.server.run(`set -e; ${command}`);
    expect(told.stderr).toBe("");
    expect(told.exitCode).toBe(0);
  }

  async run(command: string, sandbox: object = workspaceWrite(this.work), more: object = {}) {
    return await this.server.run(command, { sandbox, ...more });
  }

  get victim(): string {
    return join(this.outside, "victim");
  }

  /** Nothing beside the workspace has changed. */
  expectOutsideUntouched(): void {
    expect(readdirSync(this.outside)).toEqual(["victim"]);
    expect(readFileSync(this.victim, "utf8")).toBe("safe");
  }

  async clear(): Promise<void> {
    for (const process of this.#running.splice(0)) await process.end();
    for (const folder of [this.work, this.outside]) {
      // What was shut is opened: only root could remove it as it is.
      if (!isRoot) Bun.spawnSync(["chmod", "-R", "u+rwx", folder], { stderr: "ignore" });
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    }
    writeFileSync(this.victim, "safe");
    if (this.server.isOther) this.server.own(this.victim);
  }
}
