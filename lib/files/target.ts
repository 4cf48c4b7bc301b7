/** Files as a user names them: `ENV:path`, and what their relative paths are relative to. */

import type { Client } from "../client/client.ts";
import { FsError } from "../client/fs/error.ts";
import type { FileSystem } from "../client/fs/file_system.ts";
import { isAbsolute, joinPath } from "../client/fs/path.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";

/** What was written, taken apart. */
export interface Target {
  /** The id before the colon: empty for the default environment, null when there is no colon. */
  environment: string | null;
  path: string;
  /** As it was written. */
  text: string;
}

/**
 * Takes `ENV:path` apart. Ids have no slash and no dot, so `./a:b` and `notes.txt:1` are paths.
 * @throws {ExecServerError} `ERR_USAGE` for an empty one.
 */
export function parseTarget(text: string, isWindows = false): Target {
  if (text === "") throw new ExecServerError("ERR_USAGE", "A path is empty: expected PATH or ENV:PATH");
  const match = /^([A-Za-z0-9_-]*):([\s\S]*)$/.exec(text);
  // `C:\x` is a drive there, and `C:x` an environment.
  if (!match || (isWindows && /^[A-Za-z]:[\\/]/.test(text))) return { environment: null, path: text, text };
  return { environment: match[1]!, path: match[2]!, text };
}

/** One end of an operation: files of an environment, or of this machine. */
export interface Place {
  /** The environment's id, which errors show before the path; empty for plain paths of this machine. */
  readonly id: string;
  readonly fs: FileSystem;
  /** What relative paths begin in. */
  folder(): Promise<string>;
  /** What `~` stands for; undefined where it stands for itself. */
  home?(): Promise<string>;
}

/** A path at a place. */
export interface Location {
  readonly place: Place;
  /** Absolute. */
  readonly path: string;
  /** It was written so that only a directory fits: `src/`, `.`, `..`, or nothing. */
  readonly isFolder: boolean;
}

/** Whether both are the files of one server, which can then copy by itself. */
export function isSamePlace(a: Place, b: Place): boolean {
  return a.fs === b.fs;
}

/** The path as a user would write it. */
export function locationText({ place, path }: { place: Place; path: string }): string {
  return place.id === "" ? path : `${place.id}:${path}`;
}

/** Operations that only ever read. */
const reading: ReadonlySet<string> = new Set(["fs/readFile", "fs/readBlock", "fs/readLink"]);

/** The error with the environment in front of the path, where it is about one of these. */
export function located(
  error: Error,
  from: Pick<Location, "place" | "path">,
  to?: Pick<Location, "place" | "path">,
): Error {
  if (!(error instanceof FsError)) return error;
  const { path, code, operation } = error;
  const ofTarget = to !== undefined && path === to.path && (path !== from.path || !reading.has(operation));
  const end = ofTarget ? to : path === from.path ? from : undefined;
  if (!end) return error;
  const message = error.message.replace(`"${path}"`, () => `"${locationText(end)}"`);
  return new FsError(message, { code, path, operation, cause: error });
}

/**
 * Makes a path absolute: `~/x` is below the home directory, `x` below the folder of the place.
 * @throws {ExecServerError} `ERR_USAGE` for `~user`; and what connecting throws.
 */
export async function locate(place: Place, path: string): Promise<Location> {
  const isFolder = /(^|\/)\.{0,2}$/.test(path);
  const at = (absolute: string): Location => ({ place, path: absolute, isFolder });
  if (isAbsolute(path)) return at(path);
  // What is in the folder is meant, not the folder by its name.
  if (path === "") return at(joinPath(await place.folder(), "."));
  const tilde = place.home && /^~([^/]*)(?:\/([\s\S]*))?$/.exec(path);
  if (!tilde) return at(joinPath(await place.folder(), path));
  if (tilde[1] !== "") {
    throw new ExecServerError(
      "ERR_USAGE",
      `Cannot use "${path}": only "~" and "~/…" are known, and "./${path}" is a file of that name`,
    );
  }
  return { place, path: joinPath(await place.home!(), tilde[2] ?? ""), isFolder: isFolder || path === "~" };
}

/** What is needed of an environment. */
export interface EnvironmentLike {
  readonly id: string;
  readonly fs: FileSystem;
  client(): Promise<Client>;
}

/** An environment as a place: relative paths begin where its commands run. */
export function environmentPlace(environment: EnvironmentLike): Place {
  const ask = async (what: "cwd" | "home"): Promise<string> => {
    const client = await environment.client();
    const info = await client.info();
    const told = what === "cwd" ? info.cwd : info.userHomeDir;
    return told ? pathFromWire(told) : await askShell(environment.id, client, what);
  };
  return {
    id: environment.id,
    fs: environment.fs,
    folder: () => ask("cwd"),
    home: () => ask("home"),
  };
}

/** This machine as its user sees it: paths are those of the shell that called us. */
export function herePlace(fs: FileSystem, folder: string): Place {
  return { id: "", fs, folder: async () => folder };
}

const ASK_MS = 10_000;

/** Servers up to 0.138.0 do not tell where they are, but their shells do. */
async function askShell(id: string, client: Client, what: "cwd" | "home"): Promise<string> {
  const { shell } = await client.info();
  const script = what === "cwd" ? "pwd" : "cd && pwd";
  const signal = AbortSignal.timeout(ASK_MS);
  let output = "";
  try {
    const process = await client.start({ argv: [shell.path, "-c", script], signal });
    const decoder = new TextDecoder();
    for await (const event of process) {
      if (event.kind === "output" && event.stream === "stdout")
        output += decoder.decode(event.bytes, { stream: true });
    }
  } catch {
    // Told below.
  }
  const path = output.replace(/\r?\n$/, "");
  if (isAbsolute(path)) return path;
  const name = what === "cwd" ? "its folder" : "its home directory";
  throw new ExecServerError(
    "ERR_UNSUPPORTED",
    `The server of "${id}" does not tell ${name}: use an absolute path`,
  );
}
