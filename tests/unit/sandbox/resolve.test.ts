/** What a request asks for, as rules: a table. */

import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../lib/protocol/errors.ts";
import { sandbox as schema } from "../../../lib/protocol/sandbox.ts";
import { accessAt, hasAllFiles, isUnrestricted } from "../../../lib/sandbox/policy.ts";
import { type ResolveContext, resolvePolicy } from "../../../lib/sandbox/resolve.ts";

const inProcess: ResolveContext = { purpose: "process", cwd: "/srv/ws", tmpdir: "/var/scratch" };
const inFiles: ResolveContext = { purpose: "files", tmpdir: "/var/scratch" };

/** Wire form to rules: `path access`, with `?` where a missing path is passed over. */
function rulesOf(wire: unknown, context: ResolveContext = inProcess): string[] {
  const { rules, denyGlobs } = resolvePolicy(schema.decode(wire), context);
  return [
    ...rules.map(({ path, access, skipMissing }) => `${path} ${access}${skipMissing ? "?" : ""}`),
    ...denyGlobs.map((pattern) => `${pattern} glob`),
  ];
}

function managed(entries: unknown[], more: object = {}, file_system: object = {}): unknown {
  return {
    permissions: {
      type: "managed",
      network: "restricted",
      file_system: { type: "restricted", entries, ...file_system },
    },
    ...more,
  };
}

const at = (path: string, access = "write", more: object = {}) => ({
  path: { type: "path", path },
  access,
  ...more,
});
const special = (kind: string, access = "write", subpath?: string) => ({
  path: { type: "special", value: { kind, ...(subpath === undefined ? {} : { subpath }) } },
  access,
});
const glob = (pattern: string, access = "deny") => ({ path: { type: "glob_pattern", pattern }, access });

/** The rules that protect the top of a writable folder. */
const guarded = (root: string, ...lifted: string[]): string[] =>
  [".agents", ".aws", ".codex", ".git"]
    .filter((name) => !lifted.includes(name))
    .map((name) => `${root}/${name} read`);

const roots = { policyContext: { cwd: "file:///srv/ws", workspaceRoots: ["file:///srv/ws"] } };

const rows: [name: string, wire: unknown, rules: string[], context?: ResolveContext][] = [
  ["disabled", { permissions: { type: "disabled" } }, ["/ write"]],
  ["external", { permissions: { type: "external", network: "restricted" } }, ["/ write"]],
  [
    "unrestricted files",
    { permissions: { type: "managed", file_system: { type: "unrestricted" } } },
    ["/ write"],
  ],
  ["no entry", managed([]), []],
  ["root for reading", managed([special("root", "read")]), ["/ read"]],
  ["root for writing has no names to protect", managed([special("root")]), ["/ write"]],
  [
    "a folder as URI, with what is to be decoded",
    managed([at("file:///srv/a%20b/./c/../d/", "read")]),
    ["/srv/a b/d read"],
  ],
  ["a native path", managed([at("/srv//x/", "read")]), ["/srv/x read"]],
  ["two slashes at the start", managed([at("//srv/x", "read")]), ["/srv/x read"]],
  ["a writable folder protects its top", managed([at("/srv/x")]), ["/srv/x write", ...guarded("/srv/x")]],
  [
    "a rule of the request for a protected name stands",
    managed([at("/srv/x"), at("/srv/x/.git"), at("/srv/x/.aws", "deny")]),
    ["/srv/x write", "/srv/x/.agents read", "/srv/x/.aws deny", "/srv/x/.codex read", "/srv/x/.git write"],
  ],
  [
    "deny is above write, and write above read, at the same path",
    managed([at("/a", "read"), at("/a", "deny"), at("/b", "write"), at("/b", "read"), at("/c", "none")]),
    ["/a deny", "/b write", ...guarded("/b"), "/c deny"],
  ],
  [
    "a missing path may be passed over",
    managed([
      at("/a", "deny", { missing_path_behavior: "skip" }),
      at("/b", "read", { missing_path_behavior: null }),
    ]),
    ["/a deny?", "/b read"],
  ],
  [
    "project roots are the workspace roots",
    managed([special("project_roots")], roots),
    ["/srv/ws write", ...guarded("/srv/ws")],
  ],
  [
    "… of the flat form too",
    managed([special("project_roots", "read")], {
      cwd: "file:///srv/ws",
      workspaceRoots: ["file:///srv/one", "file:///srv/two"],
    }),
    ["/srv/one read", "/srv/two read"],
  ],
  ["… below a path of them", managed([special("project_roots", "read", "src")], roots), ["/srv/ws/src read"]],
  [
    "a cwd that is a URI is no root by itself",
    managed([special("project_roots")], { cwd: "file:///srv/ws" }),
    [],
  ],
  [
    "a policyContext without roots has none",
    managed([special("project_roots")], { policyContext: { cwd: "/srv/ws" } }),
    [],
  ],
  [
    "a cwd of an old client is the root",
    managed([special("project_roots")], { cwd: "/srv/ws" }),
    ["/srv/ws write", ...guarded("/srv/ws")],
  ],
  [
    "the working directory is that of the sandbox",
    managed([special("current_working_directory", "read")], { cwd: "file:///srv/other" }),
    ["/srv/other read"],
  ],
  ["… or that of the process", managed([special("current_working_directory", "read")]), ["/srv/ws read"]],
  [
    "TMPDIR",
    managed([special("tmpdir", "read"), special("slash_tmp", "read")]),
    ["/tmp read", "/var/scratch read"],
  ],
  ["no TMPDIR grants nothing", managed([special("tmpdir")]), [], { purpose: "process", cwd: "/srv/ws" }],
  ["an unknown name is ignored", managed([special("unknown"), special("later")]), []],
  [
    "… with a path of its own too",
    managed([
      { path: { type: "special", value: { kind: "unknown", path: "/a", subpath: "b" } }, access: "write" },
    ]),
    [],
  ],
  [
    "what is said besides widens nothing",
    managed([special("tmpdir", "read"), special("project_roots", "read")], {
      ...roots,
      workspaceRoots: ["file:///srv/flat"],
      temporaryDirectories: ["file:///srv/scratch"],
      userHomeDir: "file:///home/user",
      sandboxOverride: "bypassSandboxFirstAttempt",
      useLegacyLandlock: true,
      windowsSandboxLevel: "mxc",
      windowsSandboxPrivateDesktop: true,
      windowsSandboxProxySettingsMode: "preserve",
    }),
    ["/srv/ws read", "/var/scratch read"],
  ],
  [
    "a TMPDIR that is relative grants nothing",
    managed([special("tmpdir")]),
    [],
    { ...inProcess, tmpdir: "tmp" },
  ],
  [
    "a writable path of the workspace protects its top as well",
    managed([special("project_roots", "write", "src")], roots),
    ["/srv/ws/src write", ...guarded("/srv/ws/src")],
  ],
  [
    "a pattern may be relative to the policyContext",
    managed([glob("*.pem")], { policyContext: { cwd: "file:///srv/other" } }),
    ["/srv/other/*.pem glob"],
  ],
  [
    "the system's folders are never written",
    managed([special("minimal")]),
    ["/bin read", "/etc read", "/lib read", "/lib64 read", "/sbin read", "/usr read"],
  ],
  [
    "a file request always has the system's folders",
    managed([at("/etc", "deny")]),
    ["/bin read?", "/etc deny", "/lib read?", "/lib64 read?", "/sbin read?", "/usr read?"],
    inFiles,
  ],
  ["… unless there is a rule for the root", managed([special("root", "deny")]), ["/ deny"], inFiles],
  [
    "patterns are relative to the working directory",
    managed([glob("**/*.pem"), glob("/srv/**/.env")], { cwd: "file:///srv/w[s]" }),
    ["/srv/w[[]s[]]/**/*.pem glob", "/srv/**/.env glob"],
  ],
  [
    "the form of 0.138.0 without a type: entries",
    { permissions: { file_system: { entries: [at("/a", "read")] }, network: { enabled: true } } },
    ["/a read"],
  ],
  [
    "… and lists",
    { permissions: { file_system: { read: ["/a"], write: ["/b"] } } },
    ["/a read", "/b write", ...guarded("/b")],
  ],
  ["… and nothing at all", { permissions: {} }, []],
  ["policy read-only", { sandboxPolicy: { type: "read-only" }, cwd: "/srv/ws" }, ["/ read"]],
  ["policy danger-full-access", { sandboxPolicy: { type: "danger-full-access" } }, ["/ write"]],
  ["policy external-sandbox", { sandboxPolicy: { type: "external-sandbox" } }, ["/ write"]],
  [
    "policy workspace-write",
    { sandboxPolicy: { type: "workspace-write", writable_roots: ["/opt/x"] }, cwd: "/srv/ws" },
    [
      "/ read",
      ...["/opt/x", "/srv/ws", "/tmp", "/var/scratch"].flatMap((root) => [`${root} write`, ...guarded(root)]),
    ],
  ],
  ...(
    [
      ["exclude_slash_tmp", "/var/scratch"],
      ["exclude_tmpdir_env_var", "/tmp"],
    ] as const
  ).map(([option, left]): (typeof rows)[number] => [
    `… with ${option}`,
    { sandboxPolicy: { type: "workspace-write", [option]: true }, cwd: "/srv/ws" },
    ["/ read", ...["/srv/ws", left].flatMap((root) => [`${root} write`, ...guarded(root)])],
  ]),
  [
    "… with its options, in the other spelling",
    {
      sandboxPolicy: { type: "workspaceWrite", excludeTmpdirEnvVar: true, excludeSlashTmp: true },
      cwd: "/srv/ws",
    },
    ["/ read", "/srv/ws write", ...guarded("/srv/ws")],
  ],
];

describe("the rules of a request", () => {
  for (const [name, wire, rules, context] of rows) {
    test(name, () => expect(rulesOf(wire, context)).toEqual(rules));
  }

  test("patterns are looked for at any depth, unless there is a limit", () => {
    const depth = (files: object) =>
      resolvePolicy(schema.decode(managed([], {}, files)), inProcess).globScanMaxDepth;
    expect([depth({}), depth({ glob_scan_max_depth: 4 })]).toEqual([Number.POSITIVE_INFINITY, 4]);
    const untagged = { permissions: { file_system: { entries: [], glob_scan_max_depth: 2 } } };
    expect(resolvePolicy(schema.decode(untagged), inProcess).globScanMaxDepth).toBe(2);
  });

  test("no sandbox is no limit", () => {
    expect(isUnrestricted(resolvePolicy(undefined, inProcess))).toBe(true);
  });

  test("the network is restricted unless it is enabled", () => {
    const network = (wire: unknown) => resolvePolicy(schema.decode(wire), inProcess).network;
    const files = { type: "unrestricted" };
    expect(network({ permissions: { type: "managed", file_system: files } })).toBe(false);
    expect(network({ permissions: { type: "managed", file_system: files, network: "restricted" } })).toBe(
      false,
    );
    expect(network({ permissions: { type: "managed", file_system: files, network: "enabled" } })).toBe(true);
    expect(network({ permissions: {} })).toBe(false);
    expect(network({ permissions: { network: { enabled: true } } })).toBe(true);
    expect(network({ sandboxPolicy: { type: "read-only" } })).toBe(false);
    expect(network({ sandboxPolicy: { type: "workspace-write", network_access: true } })).toBe(true);
  });

  test("all files are writable without narrower rules only", () => {
    const all = (entries: unknown[]) => hasAllFiles(resolvePolicy(schema.decode(managed(entries)), inFiles));
    expect(all([special("root")])).toBe(true);
    expect(all([special("root"), at("/srv/x", "read")])).toBe(false);
    expect(all([special("root"), glob("/srv/*")])).toBe(false);
  });

  test("the most specific path decides", () => {
    const policy = resolvePolicy(
      schema.decode(
        managed([special("root", "read"), at("/srv", "deny"), at("/srv/a"), at("/srv/a/b", "read")]),
      ),
      inProcess,
    );
    const asked = [
      "/etc",
      "/srv",
      "/srv/x",
      "/srv/a",
      "/srv/a/x",
      "/srv/a/b/c",
      "/srv/ab",
      "/srv/a/.git/config",
    ];
    expect(asked.map((path) => accessAt(policy, path))).toEqual([
      "read",
      "deny",
      "deny",
      "write",
      "write",
      "read",
      "deny",
      "read",
    ]);
  });
});

describe("what is refused", () => {
  const refused: [name: string, wire: unknown, message: string, context?: ResolveContext][] = [
    ["project roots without a cwd", managed([special("project_roots")]), "requires cwd", inFiles],
    ["a relative pattern without a cwd", managed([glob("*.pem")]), "requires cwd", inFiles],
    ["a pattern that allows", managed([glob("/a/*", "write")]), "expected `deny`"],
    ["a pattern that cannot be read", managed([glob("/a/[z-a]")]), "cannot be read"],
    ["an empty pattern", managed([glob("")]), "glob pattern is empty"],
    ["a relative path", managed([at("srv/x")]), "expected an absolute path"],
    ["a path of Windows", managed([at("file:///C:/x")]), "expected a POSIX path"],
    [
      "a subpath that leads out",
      managed([special("project_roots", "read", "../x")], roots),
      "leads out of its root",
    ],
    ["a depth of 0", managed([], {}, { glob_scan_max_depth: 0 }), "glob_scan_max_depth 0"],
  ];
  for (const [name, wire, message, context] of refused) {
    test(name, () => {
      const decoded = schema.decode(wire);
      try {
        resolvePolicy(decoded, context ?? inProcess);
      } catch (error) {
        expect(error).toBeInstanceOf(RpcError);
        expect((error as RpcError).code).toBe(-32602);
        expect((error as RpcError).message).toContain(message);
        return;
      }
      throw new Error("It was not refused");
    });
  }

  const misshapen: [name: string, wire: unknown, message: string][] = [
    ["no permissions", {}, "missing field `permissions`"],
    ["no object", "read-only", "invalid type: string, expected an object"],
    ["a type that is none", { permissions: { type: "x" } }, "permissions.type: unknown variant `x`"],
    [
      "managed without files",
      { permissions: { type: "managed" } },
      "permissions: missing field `file_system`",
    ],
    [
      "an access that is none",
      managed([at("/a", "execute")]),
      "permissions.file_system.entries[0].access: unknown variant `execute`",
    ],
    ["a policy that is none", { sandboxPolicy: { type: "x" } }, "sandboxPolicy.type: unknown variant `x`"],
  ];
  for (const [name, wire, message] of misshapen) {
    test(name, () => expect(() => schema.decode(wire)).toThrow(message));
  }
});
