/**
 * `fs/*` under a sandbox: what asks for no limit is done here, all else by a helper inside the sandbox. Helpers are kept for a
 * while, as starting one costs a hundred times what a call does.
 */

import process from "node:process";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { DirectoryEntry, WalkEntry } from "../protocol/fs_tree.ts";
import type { Handlers } from "../protocol/methods.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import { type Sandbox, sandbox as sandboxSchema } from "../protocol/sandbox.ts";
import { DecodeError } from "../protocol/schema.ts";
import { nodePath } from "../runtime/node_modules.ts";
import { errnoByName, osErrorText } from "../runtime/os_error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { realDisk } from "../sandbox/disk.ts";
import { compileGlob } from "../sandbox/glob.ts";
import { follow } from "../sandbox/ground.ts";
import { adoptPlaceholder, hasPlaceholders, isPlaceholder } from "../sandbox/placeholders.ts";
import {
  canReadAll,
  hasAllFiles,
  intersect,
  type Policy,
  policyKey,
  unrestricted,
} from "../sandbox/policy.ts";
import { resolvePolicy } from "../sandbox/resolve.ts";
import { FileHelper } from "./file_helper.ts";
import { fileService } from "./file_service.ts";
import type { OpenService, Service } from "./service.ts";

/** These only look. */
const looks = new Set([
  "fs/readFile",
  "fs/getMetadata",
  "fs/canonicalize",
  "fs/readDirectory",
  "fs/walk",
  "fs/readLink",
  "fs/hash",
]);
const changes = new Set([
  "fs/writeFile",
  "fs/createDirectory",
  "fs/remove",
  "fs/copy",
  "fs/rename",
  "fs/chmod",
  "fs/setTimes",
  "fs/symlink",
]);
const ofHandles = new Set(["fs/readBlock", "fs/writeBlock", "fs/close"]);
/** These know no sandbox and touch no disk. */
const pure = new Set(["fs/join", "fs/parent", "fs/unwatch", "fs/cancelSearch"]);

/** How long one that nobody uses is kept. One that can write keeps missing names held, for others to see. */
const READER_IDLE_MS = 60_000;
const WRITER_IDLE_MS = 2000;
const MAX_HELPERS = 4;

interface Kept {
  helper: FileHelper;
  idle: ReturnType<typeof setTimeout> | undefined;
}

/** These tell names. */
const lists = new Set(["fs/readDirectory", "fs/walk"]);

type Params = Record<string, unknown> & { sandbox?: unknown };
type Method = keyof Handlers;

/** The service of files with sandboxes, and with a policy that no request reaches beyond. */
export function confinedFiles(runtime: Runtime, ceiling: Policy): Service {
  const files = fileService(runtime);
  const ending = new Set<Promise<void>>();
  return {
    ...files,
    ended: () => Promise.all(ending),
    open: (link) =>
      new ConfinedFiles(runtime, files.open(link), ceiling, (gone) => {
        ending.add(gone);
        gone.then(() => ending.delete(gone));
      }),
  };
}

class ConfinedFiles implements OpenService {
  readonly #runtime: Runtime;
  readonly #inner: OpenService;
  readonly #ceiling: Policy;
  readonly #onEnding: (gone: Promise<void>) => void;
  /** By policy. */
  readonly #helpers = new Map<string, Kept>();
  /** Those that are not used again, or not any more, and not yet gone. */
  readonly #single = new Set<FileHelper>();
  /** Where a handle was opened, by its id. */
  readonly #handles = new Map<string, FileHelper>();

  /** @param onEnding Is told of each helper that ends with the connection; the promise settles when it has gone. */
  constructor(
    runtime: Runtime,
    inner: OpenService,
    ceiling: Policy,
    onEnding: (gone: Promise<void>) => void,
  ) {
    this.#runtime = runtime;
    this.#inner = inner;
    this.#ceiling = ceiling;
    this.#onEnding = onEnding;
  }

  request(method: Method, params: unknown): unknown {
    if (pure.has(method)) return this.#inner.request(method, params);
    if (ofHandles.has(method)) return this.#ofHandle(method, params as Params);
    const answer = this.#confined(method, params as Params);
    return hasPlaceholders() && lists.has(method) ? withoutPlaceholders(params as Params, answer) : answer;
  }

  dispose(): void {
    this.#inner.dispose();
    const helpers = new Set([...this.#helpers.values()].map(({ helper }) => helper));
    for (const helper of [...this.#handles.values(), ...this.#single]) helpers.add(helper);
    for (const { idle } of this.#helpers.values()) clearTimeout(idle);
    this.#helpers.clear();
    this.#handles.clear();
    for (const helper of helpers) {
      helper.end();
      this.#onEnding(helper.gone);
    }
  }

  #confined(method: Method, params: Params): unknown {
    if (hasPlaceholders() && this.#mindsPlaceholder(method, params)) return {};
    if ((params.sandbox === undefined || params.sandbox === null) && this.#ceiling === unrestricted)
      return this.#inner.request(method, params);
    const { sandbox, ...rest } = params;
    const policy = this.#policyOf(sandbox);
    if (hasAllFiles(policy)) return this.#inner.request(method, rest);
    const isLook =
      looks.has(method) || (method === "fs/open" && (params.mode === undefined || params.mode === "read"));
    if (canReadAll(policy) && (isLook || isWatch(method))) return this.#inner.request(method, rest);
    if (!isLook && method !== "fs/open" && !changes.has(method)) {
      throw new RpcError(rpcCode.invalidRequest, `filesystem sandbox cannot be enforced for ${method}`);
    }
    refuseDenied(policy, rest);
    // What only looks needs no way to write, and holds no names.
    const helper = this.#helperFor(isLook ? { ...policy, looksOnly: true } : policy);
    if (method === "fs/open") return this.#open(helper, rest);
    return helper.call(method as "fs/readFile", rest as never);
  }

  /** What only stands for a missing name is missing, unless somebody who may makes it now. True: that is all. */
  #mindsPlaceholder(method: string, { path: wire, sandbox, force }: Params): boolean {
    const path = typeof wire === "string" ? nativePath(wire) : undefined;
    if (path === undefined || !isPlaceholder(path)) return false;
    const mayChange = (): boolean => hasAllFiles(this.#policyOf(sandbox));
    if (method === "fs/createDirectory") {
      if (!mayChange()) throw systemError(rpcCode.internal, "EROFS", wire);
      adoptPlaceholder(path);
      return true;
    }
    const removes = method === "fs/remove" && mayChange();
    if (removes && force !== false) return true;
    if (removes || looks.has(method)) throw systemError(rpcCode.notFound, "ENOENT", wire);
    return false;
  }

  #policyOf(value: unknown): Policy {
    let sandbox: Sandbox | undefined;
    try {
      sandbox = value === undefined || value === null ? undefined : sandboxSchema.decode(value);
    } catch (error) {
      if (error instanceof DecodeError)
        throw new RpcError(rpcCode.invalidParams, `sandbox: ${error.message}`);
      throw error;
    }
    const wanted = resolvePolicy(sandbox, { purpose: "files", tmpdir: process.env.TMPDIR });
    return this.#ceiling === unrestricted ? wanted : intersect(wanted, this.#ceiling);
  }

  async #open(helper: FileHelper, params: Params): Promise<unknown> {
    const id = params.handleId as string;
    if (this.#handles.has(id)) {
      throw new RpcError(rpcCode.invalidRequest, `file handle \`${id}\` already exists`);
    }
    this.#handles.set(id, helper);
    helper.users++;
    try {
      return await helper.call("fs/open", params as never);
    } catch (error) {
      this.#forget(id);
      throw error;
    }
  }

  #ofHandle(method: Method, params: Params): unknown {
    const id = params.handleId as string;
    const helper = this.#handles.get(id);
    if (!helper) return this.#inner.request(method, params);
    const answer = helper.call(method as "fs/close", params as never);
    return method === "fs/close" ? answer.finally(() => this.#forget(id)) : answer;
  }

  #forget(id: string): void {
    const helper = this.#handles.get(id);
    if (!helper) return;
    this.#handles.delete(id);
    helper.release();
  }

  #helperFor(policy: Policy): FileHelper {
    const key = policyKey(policy);
    const found = this.#helpers.get(key);
    if (found && !found.helper.isStale) {
      this.#keep(key, found);
      return found.helper;
    }
    if (found) this.#letGo(key, found);
    for (const [oldest, kept] of this.#helpers) {
      if (this.#helpers.size < MAX_HELPERS) break;
      this.#letGo(oldest, kept);
    }
    const kept: Kept = { helper: new FileHelper(this.#runtime, policy), idle: undefined };
    this.#keep(key, kept);
    return kept.helper;
  }

  /** As the newest, for its time. */
  #keep(key: string, kept: Kept): void {
    clearTimeout(kept.idle);
    this.#helpers.delete(key);
    this.#helpers.set(key, kept);
    const { rules, looksOnly } = kept.helper.policy;
    const canWrite = !looksOnly && rules.some(({ access }) => access === "write");
    kept.idle = setTimeout(() => this.#letGo(key, kept), canWrite ? WRITER_IDLE_MS : READER_IDLE_MS);
  }

  /** It ends with the last of its calls and handles. */
  #letGo(key: string, kept: Kept): void {
    clearTimeout(kept.idle);
    if (this.#helpers.get(key) === kept) this.#helpers.delete(key);
    this.#endWhenIdle(kept.helper);
    if (kept.helper.users === 0) kept.helper.end();
  }

  #endWhenIdle(helper: FileHelper): void {
    helper.onIdle = () => helper.end();
    this.#single.add(helper);
    helper.gone.then(() => this.#single.delete(helper));
  }
}

/** Watching tells names only, which who may read all may know. */
function isWatch(method: string): boolean {
  return (
    method === "fs/watchMissing" ||
    method === "fs/watch" ||
    method === "fs/unwatch" ||
    method.startsWith("fs/search")
  );
}

/** An answer that tells names, without those that only stand for missing ones. */
async function withoutPlaceholders({ path }: Params, answer: unknown): Promise<unknown> {
  const told = (await answer) as { entries: Partial<DirectoryEntry & WalkEntry>[] };
  const folder = nativePath(path as string) ?? "/";
  const entries = told.entries.filter((entry) => {
    const found =
      entry.path === undefined ? nodePath().join(folder, entry.fileName ?? "") : nativePath(entry.path);
    return found === undefined || !isPlaceholder(found);
  });
  return { ...told, entries };
}

/** A helper denies what matches when it begins; what is named is looked at here. */
function refuseDenied(policy: Policy, params: Params): void {
  if (policy.denyGlobs.length === 0) return;
  const globs = policy.denyGlobs.map(compileGlob);
  for (const name of ["path", "sourcePath", "destinationPath"]) {
    const wire = params[name];
    if (typeof wire !== "string") continue;
    const path = nativePath(wire);
    if (path === undefined) continue;
    const meant = [path, follow(path, realDisk).path];
    if (meant.some((each) => globs.some((glob) => glob.matches(each)))) {
      throw systemError(rpcCode.invalidRequest, "EACCES", wire);
    }
  }
}

/** Undefined where it is refused later. */
function nativePath(wire: string): string | undefined {
  try {
    const path = nodePath().join("/", pathFromWire(wire));
    return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  } catch {
    return undefined;
  }
}

function systemError(code: number, errno: string, path: unknown): RpcError {
  return new RpcError(code, osErrorText(errnoByName.get(errno)!), { errno, path });
}
