/** Shapes of `sandbox`: how far a process or a file request may reach. */

import {
  array,
  boolean,
  DecodeError,
  decodedBy,
  nullish,
  object,
  oneOf,
  optional,
  type Schema,
  string,
  unsigned,
  variants,
} from "./schema.ts";

/** What may be done with a path: nothing, reading, or reading and writing. */
export type SandboxAccess = "deny" | "read" | "write";

/** One path and what is beneath it. */
export interface ExactPath {
  type: "path";
  /** Absolute native path or `file:` URI. */
  path: string;
}

/** Whatever matches; can only be denied. */
export interface GlobPath {
  type: "glob_pattern";
  /** `*`, `?`, `[a-z]` within a name, `**` for any folders. Relative to `cwd` of the sandbox. */
  pattern: string;
}

/** A path that the server knows. */
export interface SpecialPath {
  type: "special";
  value: SpecialPathValue;
}

/** Which one. */
export interface SpecialPathValue {
  /**
   * `root`; `minimal`: the system's programs and libraries, for reading; `current_working_directory`: `cwd` of the
   * sandbox; `project_roots`: each workspace root; `tmpdir`: what TMPDIR names; `slash_tmp`: `/tmp`. Others are ignored.
   */
  kind: string;
  /** Of `project_roots`: a path below each. */
  subpath?: string;
}

export type SandboxPath = ExactPath | GlobPath | SpecialPath;

/** A rule. The most specific path decides; of equal ones `deny` is above `write`, and `write` above `read`. */
export interface SandboxEntry {
  path: SandboxPath;
  /** `none` is another word for `deny`. */
  access: SandboxAccess;
  /** `skip`: the rule falls away where the path is missing. Otherwise a missing path below a writable one is held. */
  missing_path_behavior?: "skip";
}

/** The whole file system may be written. */
export interface UnrestrictedFiles {
  type: "unrestricted";
}

/** What no entry names is out of reach. */
export interface RestrictedFiles {
  type: "restricted";
  entries: SandboxEntry[];
  /** How many folders deep patterns are looked for, from 1. No limit by default. */
  glob_scan_max_depth?: number;
}

export type FilePermissions = UnrestrictedFiles | RestrictedFiles;

export type NetworkPermission = "restricted" | "enabled";

/** Enforced by the server. */
export interface ManagedPermissions {
  type: "managed";
  file_system: FilePermissions;
  /** @default {"restricted"} */
  network?: NetworkPermission;
}

/** No sandbox. */
export interface DisabledPermissions {
  type: "disabled";
}

/** Enforced by whoever runs the server. */
export interface ExternalPermissions {
  type: "external";
  network?: NetworkPermission;
}

/**
 * The form of 0.138.0 without `type` is taken too: `{file_system: {entries} | {read, write}, network: {enabled}}`.
 */
export type Permissions = ManagedPermissions | DisabledPermissions | ExternalPermissions;

/** The form before `permissions`. Names with capitals (`writableRoots`) are taken too. */
export interface SandboxPolicy {
  /** `read-only`, `workspace-write`, `danger-full-access`, `external-sandbox`. */
  type: SandboxMode | "external-sandbox";
  /** Of `workspace-write`: to be written besides the workspace. */
  writable_roots?: string[];
  /** @default {false} */
  network_access?: boolean;
  /** Of `workspace-write`: what TMPDIR names stays read-only. @default {false} */
  exclude_tmpdir_env_var?: boolean;
  /** Of `workspace-write`: `/tmp` stays read-only. @default {false} */
  exclude_slash_tmp?: boolean;
}

/** The names of the common policies. */
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access";

/** What `project_roots` and relative patterns stand for. */
export interface PolicyContext {
  cwd?: string;
  workspaceRoots?: string[];
}

/** How far a process or a file request may reach. What cannot be enforced is refused before anything is done. */
export interface Sandbox {
  /** Wanted, unless there is `sandboxPolicy`. */
  permissions?: Permissions;
  /** Older form of `permissions`. */
  sandboxPolicy?: SandboxPolicy;
  /** Absolute native path or `file:` URI. The first workspace root as well, where neither form of roots is given. */
  cwd?: string;
  policyContext?: PolicyContext;
  /** Where `policyContext` has none. */
  workspaceRoots?: string[];
  /** 0.169.0 wants it: `disabled`, `restricted-token`, `elevated`, `mxc`. Not looked at here. */
  windowsSandboxLevel?: string;
}

const network: Schema<NetworkPermission> = oneOf("restricted", "enabled");

const accessWord: Schema<SandboxAccess> = oneOf("deny", "read", "write");
const access: Schema<SandboxAccess> = decodedBy(accessWord, (value) =>
  value === "none" ? "deny" : accessWord.decode(value),
);

const sandboxPath: Schema<SandboxPath> = variants<SandboxPath>("type", {
  path: object<ExactPath>({ type: oneOf("path"), path: string }),
  glob_pattern: object<GlobPath>({ type: oneOf("glob_pattern"), pattern: string }),
  special: object<SpecialPath>({
    type: oneOf("special"),
    value: object<SpecialPathValue>({ kind: string, subpath: nullish(string) }),
  }),
});

const entries: Schema<SandboxEntry[]> = array(
  object<SandboxEntry>({ path: sandboxPath, access, missing_path_behavior: nullish(oneOf("skip")) }),
);

const restrictedFiles = object<RestrictedFiles>({
  type: oneOf("restricted"),
  entries,
  glob_scan_max_depth: nullish(unsigned),
});

const taggedPermissions: Schema<Permissions> = variants<Permissions>("type", {
  managed: object<ManagedPermissions>({
    type: oneOf("managed"),
    file_system: variants<FilePermissions>("type", {
      unrestricted: object<UnrestrictedFiles>({ type: oneOf("unrestricted") }),
      restricted: restrictedFiles,
    }),
    network: nullish(network),
  }),
  disabled: object<DisabledPermissions>({ type: oneOf("disabled") }),
  external: object<ExternalPermissions>({ type: oneOf("external"), network: nullish(network) }),
});

/** The form of 0.138.0: entries, or lists of paths. */
const untaggedFiles = object<{
  entries?: SandboxEntry[];
  read?: string[];
  write?: string[];
  glob_scan_max_depth?: number;
}>({
  entries: nullish(entries),
  read: nullish(array(string)),
  write: nullish(array(string)),
  glob_scan_max_depth: nullish(unsigned),
});

const untaggedPermissions = object<{
  file_system?: ReturnType<typeof untaggedFiles.decode>;
  network?: { enabled?: boolean };
}>({
  file_system: nullish(untaggedFiles),
  network: nullish(object<{ enabled?: boolean }>({ enabled: nullish(boolean) })),
});

function fromUntagged(untagged: ReturnType<typeof untaggedPermissions.decode>): Permissions {
  const { file_system = {}, network: net } = untagged;
  const listed = (paths: string[] = [], given: SandboxAccess): SandboxEntry[] =>
    paths.map((path) => ({ path: { type: "path", path }, access: given }));
  return {
    type: "managed",
    file_system: {
      type: "restricted",
      entries: [
        ...(file_system.entries ?? []),
        ...listed(file_system.read, "read"),
        ...listed(file_system.write, "write"),
      ],
      ...(file_system.glob_scan_max_depth === undefined
        ? {}
        : { glob_scan_max_depth: file_system.glob_scan_max_depth }),
    },
    network: net?.enabled ? "enabled" : "restricted",
  };
}

const permissions: Schema<Permissions> = decodedBy(taggedPermissions, (value) => {
  const tagged = typeof value !== "object" || value === null || Array.isArray(value) || "type" in value;
  return tagged ? taggedPermissions.decode(value) : fromUntagged(untaggedPermissions.decode(value));
});

const snakeCasePolicy = object<SandboxPolicy>({
  type: oneOf("read-only", "workspace-write", "danger-full-access", "external-sandbox"),
  writable_roots: nullish(array(string)),
  network_access: nullish(boolean),
  exclude_tmpdir_env_var: nullish(boolean),
  exclude_slash_tmp: nullish(boolean),
});

const sandboxPolicy: Schema<SandboxPolicy> = decodedBy(snakeCasePolicy, (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return snakeCasePolicy.decode(value);
  }
  const members = Object.entries(value).map(([name, entry]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    name === "type" && typeof entry === "string"
      ? entry.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      : entry,
  ]);
  return snakeCasePolicy.decode(Object.fromEntries(members));
});

const shape = object<Sandbox>({
  permissions: nullish(permissions),
  sandboxPolicy: nullish(sandboxPolicy),
  cwd: nullish(string),
  policyContext: nullish(
    object<PolicyContext>({ cwd: nullish(string), workspaceRoots: nullish(array(string)) }),
  ),
  workspaceRoots: optional(array(string)),
  windowsSandboxLevel: nullish(string),
});

export const sandbox: Schema<Sandbox> & Pick<typeof shape, "members"> = decodedBy(shape, (value) => {
  const decoded = shape.decode(value);
  if (decoded.permissions === undefined && decoded.sandboxPolicy === undefined) {
    throw new DecodeError("missing field `permissions`");
  }
  return decoded;
});
