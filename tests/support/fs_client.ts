/** File requests as tests write them: native paths in, short outcomes out. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { differences } from "./differences.ts";
import type { Harness } from "./harness.ts";
import type { Json, RawClient } from "./raw_client.ts";

const pathMembers = ["path", "sourcePath", "destinationPath", "basePath", "present"];

/** One line of a table of the protocol. */
export interface Row {
  method: string;
  params: Record<string, unknown>;
  /** A result, or what {@link outcome} makes of an error. */
  expected: unknown;
  differs?: keyof typeof differences;
}

export class FileClient {
  readonly #t: Harness;
  readonly client: RawClient;

  constructor(t: Harness, client: RawClient) {
    this.#t = t;
    this.client = client;
  }

  /** Parameters with their native paths as the server wants them; `literally` leaves them as they are. */
  params(params: Record<string, unknown>): Record<string, unknown> {
    const result = { ...params };
    for (const name of pathMembers) {
      if (typeof result[name] === "string") result[name] = this.#t.path(result[name]);
    }
    if (Array.isArray(result.missing)) result.missing = result.missing.map((path) => this.#t.path(path));
    return result;
  }

  /** The whole answer. */
  async ask(method: string, params: Record<string, unknown>, ms?: number): Promise<Json> {
    return await this.client.ask(`fs/${method}`, this.params(params), ms);
  }

  /** The result, or the error in short: `-32603 os 17`, or with its text where the system has no part in it. */
  async outcome(method: string, params: Record<string, unknown>, ms?: number): Promise<unknown> {
    return shortened(await this.ask(method, params, ms));
  }

  /** The result; an error fails the test. */
  async call(method: string, params: Record<string, unknown>, ms?: number): Promise<Json> {
    return await this.client.call(`fs/${method}`, this.params(params), ms);
  }

  async table(rows: Record<string, Row>): Promise<void> {
    for (const [what, { method, params, expected, differs }] of Object.entries(rows)) {
      const got = await this.outcome(method, params);
      const difference = differs && this.#t.difference(differs);
      expect({ what, got }).toEqual({ what, got: difference ? difference.does : expected });
    }
  }
}

export function shortened(answer: Json): unknown {
  if (!answer.error) return answer.result;
  const { code, message } = answer.error;
  const errno = /\(os error (\d+)\)$/.exec(message)?.[1];
  return errno === undefined ? `${code} ${message}` : `${code} os ${errno}`;
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A folder with one of everything: `f` (hello), `d/x`, links to both, one to nothing, one to itself, a FIFO. */
export function folderOfAll(t: Harness): (name?: string) => string {
  const root = mkdtempSync(join(t.folder.work, "fs-"));
  const path = (name = ""): string => (name === "" ? root : join(root, name));
  writeFileSync(path("f"), "hello", { mode: 0o640 });
  mkdirSync(path("d"));
  writeFileSync(path("d/x"), "x");
  symlinkSync("f", path("lf"));
  symlinkSync("d", path("ld"));
  symlinkSync("nothing", path("dangling"));
  symlinkSync("loop", path("loop"));
  expect(spawnSync("mkfifo", [path("fifo")]).status).toBe(0);
  return path;
}
