/** File requests as tests write them: native paths in, short outcomes out. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { differences } from "./differences.ts";
import type { Harness } from "./harness.ts";
import type { Json, RawClient } from "./raw_client.ts";

/** The system's failures by number: name, code on the wire, and the words, which are those of musl. */
const failures: Readonly<Record<number, readonly [errno: string, code: number, words: string]>> = {
  1: ["EPERM", -32600, "Operation not permitted"],
  2: ["ENOENT", -32004, "No such file or directory"],
  6: ["ENXIO", -32603, "No such device or address"],
  9: ["EBADF", -32603, "Bad file descriptor"],
  11: ["EAGAIN", -32603, "Resource temporarily unavailable"],
  13: ["EACCES", -32600, "Permission denied"],
  16: ["EBUSY", -32603, "Resource busy"],
  17: ["EEXIST", -32603, "File exists"],
  20: ["ENOTDIR", -32603, "Not a directory"],
  21: ["EISDIR", -32603, "Is a directory"],
  22: ["EINVAL", -32600, "Invalid argument"],
  27: ["EFBIG", -32603, "File too large"],
  28: ["ENOSPC", -32603, "No space left on device"],
  30: ["EROFS", -32603, "Read-only file system"],
  36: ["ENAMETOOLONG", -32603, "Filename too long"],
  39: ["ENOTEMPTY", -32603, "Directory not empty"],
  40: ["ELOOP", -32603, "Symbolic link loop"],
};

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

  /**
   * The result, or the error in short: `-32603 os 17`, or with its text where the system has no part in it. Every
   * error is looked at whole before: code, words and, from ours, `data`.
   */
  async outcome(method: string, params: Record<string, unknown>, ms?: number): Promise<unknown> {
    const sent = this.params(params);
    const answer = await this.client.ask(`fs/${method}`, sent, ms);
    expectWholeError(answer, sent, this.#t.ours);
    return shortened(answer);
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

/** Holds an error to what is said of all: the system's own code and words, and from ours its name and the path. */
export function expectWholeError(answer: Json, sent: Record<string, unknown>, ours: boolean): void {
  if (!answer.error) return;
  const errno = Number(/\(os error (\d+)\)$/.exec(answer.error.message)?.[1] ?? 0);
  const [name, code, words] = failures[errno] ?? [];
  if (errno !== 0) expect(answer.error).toMatchObject({ code, message: `${words} (os error ${errno})` });
  if (!ours || errno === 0) {
    expect(answer.error.data).toBeUndefined();
    return;
  }
  expect(answer.error.data).toEqual({ errno: name, path: expect.any(String) });
  // In the form of the request, and the path of it, or one above or below where that is what failed.
  const asked = pathMembers.map((member) => sent[member]).filter((path) => typeof path === "string");
  const told = answer.error.data.path as string;
  const isOf = (path: string): boolean => {
    const [a, b] = [plain(path), plain(told)];
    return told.startsWith("file:") === path.startsWith("file:") && (within(a, b) || within(b, a));
  };
  expect({ told, asked, isOf: asked.length === 0 || asked.some(isOf) }).toEqual({ told, asked, isOf: true });
}

const within = (top: string, path: string): boolean =>
  path === top || path.startsWith(top.replace(/\/?$/, "/"));

function plain(path: string): string {
  const text = path.startsWith("file:") ? new URL(path).pathname : path;
  try {
    return decodeURIComponent(text).replace(/(.)\/$/, "$1");
  } catch {
    return text;
  }
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
