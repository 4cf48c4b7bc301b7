/** Makes the rules out of what a request says. A pure function: it looks at no disk. */

import { RpcError, rpcCode } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import type {
  Permissions,
  RestrictedFiles,
  Sandbox,
  SandboxEntry,
  SandboxPolicy,
  SpecialPathValue,
} from "../protocol/sandbox.ts";
import { DecodeError } from "../protocol/schema.ts";
import { nodePath } from "../runtime/node_modules.ts";
import { compileGlob, escapeGlob } from "./glob.ts";
import { isWithin, orderRules, type Policy, type Rule, unrestricted } from "./policy.ts";

/** Where a request is going to be carried out. */
export interface ResolveContext {
  /** A process has a working directory of its own and brings its TMPDIR; a file request has the server's. */
  purpose: "process" | "files";
  /** Of the process; stands in where the sandbox has none. */
  cwd?: string | undefined;
  /** What TMPDIR says there. */
  tmpdir?: string | undefined;
}

/** Programs and libraries of the system. */
export const minimalFolders: readonly string[] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"];

/** Names at the top of a writable folder whose content could make others run something. Also when they are missing. */
export const protectedNames: readonly string[] = [".git", ".codex", ".agents", ".aws"];

/**
 * The policy of a request. One without limits comes out as such for `disabled` and `external`.
 * @throws {RpcError} −32602: a path, a pattern or a depth that is none, or a missing `cwd`.
 */
export function resolvePolicy(sandbox: Sandbox | undefined, context: ResolveContext): Policy {
  if (!sandbox) return unrestricted;
  const permissions = sandbox.permissions ?? permissionsOf(sandbox.sandboxPolicy!);
  if (permissions.type !== "managed") return unrestricted;
  const network = permissions.network === "enabled";
  if (permissions.file_system.type === "unrestricted") return { ...unrestricted, network };
  return { ...resolveFiles(permissions.file_system, new Names(sandbox, context), context), network };
}

/** The newer form of a policy. */
export function permissionsOf(policy: SandboxPolicy): Permissions {
  const network = policy.network_access ? "enabled" : "restricted";
  const special = (kind: string, access: "read" | "write"): SandboxEntry => ({
    path: { type: "special", value: { kind } },
    access,
  });
  const entries = [special("root", "read")];
  switch (policy.type) {
    case "danger-full-access":
      return { type: "disabled" };
    case "external-sandbox":
      return { type: "external", network };
    case "workspace-write":
      entries.push(special("project_roots", "write"));
      if (!policy.exclude_slash_tmp) entries.push(special("slash_tmp", "write"));
      if (!policy.exclude_tmpdir_env_var) entries.push(special("tmpdir", "write"));
      for (const path of policy.writable_roots ?? []) {
        entries.push({ path: { type: "path", path }, access: "write" });
      }
  }
  return { type: "managed", file_system: { type: "restricted", entries }, network };
}

function resolveFiles(
  files: RestrictedFiles,
  names: Names,
  context: ResolveContext,
): Omit<Policy, "network"> {
  const rules: Rule[] = [];
  const denyGlobs: string[] = [];
  for (const { path, access, missing_path_behavior } of files.entries) {
    const skipMissing = missing_path_behavior === "skip";
    if (path.type === "glob_pattern") {
      if (access !== "deny")
        throw invalid(`glob pattern \`${path.pattern}\` with \`${access}\`: expected \`deny\``);
      denyGlobs.push(checkedGlob(names.glob(path.pattern)));
      continue;
    }
    const paths = path.type === "path" ? [absolute(path.path)] : names.special(path.value);
    const isMinimal = path.type === "special" && path.value.kind === "minimal";
    for (const each of paths) {
      rules.push({ path: each, access: isMinimal && access === "write" ? "read" : access, skipMissing });
    }
  }
  // Who serves files is a program too, and needs its libraries.
  if (context.purpose === "files" && !rules.some(({ path }) => path === "/")) {
    for (const path of minimalFolders) rules.push({ path, access: "read", skipMissing: true });
  }
  const depth = files.glob_scan_max_depth ?? Number.POSITIVE_INFINITY;
  if (depth < 1) throw invalid(`glob_scan_max_depth ${depth}: expected 1 or more`);
  return { rules: withProtectedNames(orderRules(rules)), denyGlobs, globScanMaxDepth: depth };
}

/** A rule of the request for such a name stands. At the top of the file system there are none to protect. */
function withProtectedNames(rules: readonly Rule[]): Rule[] {
  const added = rules
    .filter(({ path, access }) => access === "write" && path !== "/")
    .flatMap(({ path }) =>
      protectedNames.map((name): Rule => {
        return { path: `${path}/${name}`, access: "read", skipMissing: false };
      }),
    )
    .filter(({ path }) => !rules.some((rule) => rule.path === path))
    // `/srv/ws/.git` as a root of its own is meant to be written, and so is what is in it.
    .filter(
      ({ path }) =>
        !rules.some(
          (rule) =>
            rule.access === "write" &&
            rule.path !== "/" &&
            isWithin(path, rule.path) &&
            protectedNames.includes(nodePath().posix.basename(rule.path)),
        ),
    );
  return orderRules([...rules, ...added]);
}

/** The names that stand for paths. */
class Names {
  readonly #cwd: string | undefined;
  readonly #roots: readonly string[];
  readonly #context: ResolveContext;

  constructor(sandbox: Sandbox, context: ResolveContext) {
    this.#context = context;
    const { cwd, policyContext, workspaceRoots } = sandbox;
    const named = cwd ?? policyContext?.cwd;
    this.#cwd = named === undefined ? context.cwd : absolute(named);
    const given = policyContext?.workspaceRoots ?? workspaceRoots;
    // Clients up to 0.138.0 know no roots and send native paths: their `cwd` is the root. Later ones name the roots.
    const alone = given === undefined && policyContext === undefined && cwd?.startsWith("/") ? [cwd] : [];
    this.#roots = (given ?? alone).map(absolute);
  }

  special({ kind, subpath }: SpecialPathValue): readonly string[] {
    const tmpdir = this.#context.tmpdir;
    switch (kind) {
      case "root":
        return ["/"];
      case "minimal":
        return minimalFolders;
      case "current_working_directory":
        return [this.#needCwd()];
      case "project_roots":
        this.#needCwd();
        return this.#roots.map((root) => (subpath === undefined ? root : below(root, subpath)));
      case "tmpdir":
        return tmpdir?.startsWith("/") ? [absolute(tmpdir)] : [];
      case "slash_tmp":
        return ["/tmp"];
      default:
        return [];
    }
  }

  glob(pattern: string): string {
    if (pattern === "") throw invalid("glob pattern is empty");
    if (pattern.startsWith("/")) return pattern;
    const cwd = this.#needCwd();
    return cwd === "/" ? `/${pattern}` : `${escapeGlob(cwd)}/${pattern}`;
  }

  #needCwd(): string {
    if (this.#cwd !== undefined) return this.#cwd;
    throw invalid("file system sandbox context with dynamic permissions requires cwd");
  }
}

/** Lexically: the meaning of a path must not depend on what is on the disk. */
function absolute(wire: string): string {
  let path: string;
  try {
    path = pathFromWire(wire);
  } catch (error) {
    if (error instanceof DecodeError) throw invalid(error.message);
    throw error;
  }
  if (!path.startsWith("/")) throw invalid("path of another system: expected a POSIX path");
  if (path.includes("\0")) throw invalid("nul byte in a path");
  const normal = nodePath().posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal.replace(/^\/+/, "/");
}

function below(root: string, subpath: string): string {
  const path = absolute(`${root}/${subpath}`);
  if (isWithin(path, root)) return path;
  throw invalid(`subpath \`${subpath}\` leads out of its root`);
}

function checkedGlob(pattern: string): string {
  try {
    return compileGlob(pattern).pattern;
  } catch {
    throw invalid(`glob pattern \`${pattern}\` cannot be read`);
  }
}

function invalid(message: string): RpcError {
  return new RpcError(rpcCode.invalidParams, `sandbox: ${message}`);
}
