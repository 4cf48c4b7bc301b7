/** Policies on a disk that the test makes up: which places come out, and which mounts of them. */

import { describe, expect, test } from "bun:test";
import type { SandboxAccess } from "../../../lib/protocol/sandbox.ts";
import { bubblewrapPlan } from "../../../lib/sandbox/bubblewrap.ts";
import type { Disk, FileKind } from "../../../lib/sandbox/disk.ts";
import { CannotEnforce, groundPolicy, type Place } from "../../../lib/sandbox/ground.ts";
import { landlockRules } from "../../../lib/sandbox/landlock.ts";
import type { Mechanisms } from "../../../lib/sandbox/mechanisms.ts";
import { planFor } from "../../../lib/sandbox/plan.ts";
import { orderRules, type Policy, unrestricted } from "../../../lib/sandbox/policy.ts";

/** `"folder"`, `"file"`, `"-> target"` or the text of a file, by path. */
function diskOf(content: Record<string, string>, readOnlyFolders: string[] = []): Disk {
  const folders = new Set(["/"]);
  for (const path of Object.keys(content)) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      folders.add(path.slice(0, end));
  }
  return {
    kindOf: (path): FileKind => {
      const found = content[path];
      if (found === undefined) return folders.has(path) ? "folder" : "missing";
      if (found.startsWith("-> ")) return "link";
      return (["folder", "other", "unreachable"] as const).find((kind) => kind === found) ?? "file";
    },
    linkTarget: (path) => content[path]!.slice(3),
    isWritable: (folder) => !readOnlyFolders.includes(folder),
    head: (path) => content[path] ?? "",
  };
}

type Rules = readonly (readonly [path: string, access: SandboxAccess, skipMissing?: "?"])[];

const policyOf = (rules: Rules, more: Partial<Policy> = {}): Policy => ({
  rules: orderRules(rules.map(([path, access, skip]) => ({ path, access, skipMissing: skip === "?" }))),
  denyGlobs: [],
  globScanMaxDepth: Number.POSITIVE_INFINITY,
  network: false,
  ...more,
});

const show = (place: Place): string => {
  const kind =
    place.kind === "deny"
      ? `deny ${place.isFolder ? "folder" : "file"}${place.passable ? " passable" : ""}`
      : place.kind;
  return `${place.path} ${kind}`;
};

const workspace = { "/ws/src/main": "file", "/ws/.git/HEAD": "file", "/out/x": "file" };

const rows: [name: string, disk: Record<string, string>, rules: Rules, places: string[]][] = [
  ["nothing but the base", workspace, [["/", "read"]], []],
  [
    "a rule that says what holds anyway",
    workspace,
    [
      ["/", "read"],
      ["/ws", "read"],
    ],
    [],
  ],
  [
    "a missing name is held, one that is there is mounted",
    workspace,
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/.git", "read"],
      ["/ws/.codex", "read"],
    ],
    ["/ws write", "/ws/.codex hold", "/ws/.git read"],
  ],
  [
    "a missing name may be passed over",
    workspace,
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/.codex", "read", "?"],
    ],
    ["/ws write"],
  ],
  [
    "a missing name that nobody could make",
    workspace,
    [
      ["/", "read"],
      ["/out/none", "deny"],
    ],
    [],
  ],
  [
    "a missing root gives nothing and protects nothing",
    workspace,
    [
      ["/", "read"],
      ["/new", "write"],
      ["/new/.git", "read"],
    ],
    [],
  ],
  [
    "the first missing folder is held, and those above it stay in place",
    workspace,
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/src/a/b/c", "deny"],
    ],
    ["/ws write", "/ws/src pin", "/ws/src/a hold"],
  ],
  [
    "folders above a narrower rule stay in place",
    { "/ws/a/b/c/file": "file" },
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/a/b/c", "read"],
    ],
    ["/ws write", "/ws/a pin", "/ws/a/b pin", "/ws/a/b/c read"],
  ],
  [
    "a single file as root has nothing beneath it",
    { "/ws/file": "file" },
    [
      ["/", "read"],
      ["/ws/file", "write"],
      ["/ws/file/.git", "read"],
    ],
    ["/ws/file write"],
  ],
  [
    "a file in the way of a missing name stays, with the folders above it",
    { "/ws/a/file": "file" },
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/a/file/b/c", "deny"],
    ],
    ["/ws write", "/ws/a pin", "/ws/a/file pin"],
  ],
  [
    "a root within another stays where something in it is held",
    { "/ws/a/root/.git/HEAD": "file", "/ws/a/other/x": "file" },
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/a/root", "write"],
      ["/ws/a/root/.git", "read"],
      ["/ws/a/other", "write"],
    ],
    ["/ws write", "/ws/a pin", "/ws/a/root pin", "/ws/a/root/.git read"],
  ],
  [
    "denied files and folders, with a way through to what is allowed",
    { "/a/file": "file", "/b/in/x": "file", "/c/x": "file" },
    [
      ["/", "read"],
      ["/a/file", "deny"],
      ["/b", "deny"],
      ["/b/in", "write"],
      ["/c", "deny"],
    ],
    ["/b deny folder passable", "/c deny folder", "/a/file deny file", "/b/in write"],
  ],
  [
    "a link to the root is followed",
    { "/link": "-> /real", "/real/.git/HEAD": "file" },
    [
      ["/", "read"],
      ["/link", "write"],
      ["/link/.git", "read"],
    ],
    ["/real write", "/real/.git read"],
  ],
  [
    "a link with .. and of several steps",
    { "/a/link": "-> ../b/./next", "/b/next": "-> /c", "/c/file": "file" },
    [
      ["/", "read"],
      ["/a/link/file", "write"],
    ],
    ["/c/file write"],
  ],
  [
    "links without an end",
    { "/a": "-> /b", "/b": "-> /a" },
    [
      ["/", "read"],
      ["/a", "write"],
    ],
    [],
  ],
  [
    "what we may not look at",
    { "/shut": "unreachable" },
    [
      ["/", "read"],
      ["/shut/x", "write"],
    ],
    [],
  ],
  [
    "a writable link in a writable folder gives nothing more",
    { "/ws/link": "-> /out", "/out/x": "file" },
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/link", "write"],
    ],
    ["/ws write"],
  ],
  [
    "the folder that a .git names is held",
    { "/ws/.git": "gitdir: ../store/x\n", "/store/x/HEAD": "file" },
    [
      ["/", "read"],
      ["/ws", "write"],
      ["/store", "write"],
      ["/ws/.git", "read"],
    ],
    ["/store write", "/ws write", "/store/x read", "/ws/.git read"],
  ],
  [
    "own folders of a sandbox are read anyway",
    { "/proc/x": "file" },
    [
      ["/proc", "read"],
      ["/dev/null", "read"],
    ],
    [],
  ],
];

describe("places", () => {
  for (const [name, disk, rules, places] of rows) {
    test(name, () => expect(groundPolicy(policyOf(rules), diskOf(disk)).places.map(show)).toEqual(places));
  }

  test("what we may not look at in a folder that we may not change is left", () => {
    const policy = policyOf([
      ["/", "write"],
      ["/home/shut/x", "deny"],
    ]);
    const disk = { "/home/shut/x": "unreachable" };
    expect(groundPolicy(policy, diskOf(disk, ["/home/shut"])).places).toEqual([]);
  });

  test("who only looks sees what a process sees, and holds nothing", () => {
    const disk = diskOf({
      "/ws/link": "-> /shut/file",
      "/shut/file": "file",
      "/ws/x/file": "file",
      "/ws/own": "-> x",
    });
    const policy = policyOf([
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/link", "write"],
      ["/ws/.git", "read"],
      ["/ws/own/file", "deny"],
      ["/shut", "deny"],
    ]);
    const { base, places, newNames } = groundPolicy({ ...policy, looksOnly: true }, disk);
    expect([base, newNames]).toEqual(["read", undefined]);
    expect(places.map(show)).toEqual(["/shut deny folder", "/ws/x/file deny file"]);
    const all = policyOf([["/", "write"]], { looksOnly: true });
    expect(groundPolicy(all, disk).base).toBe("read");
  });

  test("a name that we could not make is not held: neither can who we start", () => {
    const policy = policyOf([
      ["/", "write"],
      ["/.git", "read"],
    ]);
    expect(groundPolicy(policy, diskOf(workspace, ["/"])).places).toEqual([]);
  });

  test("links are told where the folder that has them is out of reach", () => {
    const disk = diskOf({
      "/bin": "-> usr/bin",
      "/usr/bin/sh": "file",
      "/seen/link": "-> /usr",
      "/seen/x": "file",
    });
    const { base, links, places } = groundPolicy(
      policyOf([
        ["/bin", "read"],
        ["/seen", "read"],
        ["/seen/link", "read"],
      ]),
      disk,
    );
    expect(base).toBe("none");
    expect(links).toEqual([{ path: "/bin", target: "usr/bin" }]);
    expect(places.map(show)).toEqual(["/seen read", "/usr read"]);
  });

  const refused: [name: string, disk: Record<string, string>, rules: Rules, why: string][] = [
    [
      "a writable /proc",
      { "/proc/sys": "folder" },
      [["/proc/sys", "write"]],
      "a sandbox has a /proc of its own",
    ],
    [
      "what we may not look at in a folder that could be opened up",
      { "/ws/shut/x": "unreachable" },
      [
        ["/", "read"],
        ["/ws", "write"],
        ["/ws/shut/x", "deny"],
      ],
      '"/ws/shut/x" cannot be looked at',
    ],
  ];
  for (const [name, disk, rules, why] of refused) {
    test(`refuses ${name}`, () => expect(() => groundPolicy(policyOf(rules), diskOf(disk))).toThrow(why));
  }
});

describe("what no mount can hold", () => {
  const grounded = (rules: Rules, disk: Record<string, string>, denyGlobs: string[] = []) =>
    groundPolicy(policyOf(rules, { denyGlobs }), diskOf(disk));
  const writable: Rules = [
    ["/", "read"],
    ["/ws", "write"],
  ];

  test("a link in a writable folder that a narrower rule goes by, with the folders above it", () => {
    const disk = { "/ws/.git": "-> /out", "/out/x": "file", "/ws/a/b": "-> c", "/ws/a/c/secret": "file" };
    const { newNames, places } = grounded(
      [...writable, ["/ws/.git", "read"], ["/ws/a/b/secret", "deny"]],
      disk,
    );
    expect(newNames).toEqual({ denied: [], heldLinks: ["/ws/.git", "/ws/a/b"] });
    expect(places.map(show)).toEqual(["/ws write", "/ws/a pin", "/ws/a/c pin", "/ws/a/c/secret deny file"]);
  });

  test("links that lead in a circle", () => {
    const disk = { "/ws/.git": "-> a/b", "/ws/a/b": "-> ../.git" };
    const { newNames, places } = grounded([...writable, ["/ws/.git", "read"]], disk);
    expect(newNames?.heldLinks).toEqual(["/ws/.git", "/ws/a/b"]);
    expect(places.map(show)).toEqual(["/ws write", "/ws/a pin"]);
  });

  test("what a worktree's link leads to names a folder as well", () => {
    const disk = { "/ws/.git": "-> g", "/ws/g": "gitdir: store", "/ws/store/HEAD": "file" };
    const { places } = grounded([...writable, ["/ws/.git", "read"]], disk);
    expect(places.map(show)).toEqual(["/ws write", "/ws/g read", "/ws/store read"]);
  });

  test("patterns, as they are without links too, where something can be made", () => {
    const disk = { "/link": "-> /ws", "/ws/x": "file" };
    expect(grounded(writable, disk, ["/link/**/.env"]).newNames).toEqual({
      denied: ["/link/**/.env", "/ws/**/.env"],
      heldLinks: [],
    });
    expect(grounded([["/", "read"]], disk, ["/ws/**/.env"]).newNames).toBeUndefined();
    expect(grounded(writable, disk).newNames).toBeUndefined();
  });
});

describe("bubblewrap", () => {
  const optionsOf = (rules: Rules, disk: Record<string, string>, network = false) =>
    bubblewrapPlan(groundPolicy(policyOf(rules), diskOf(disk)), {
      network,
      cwd: "/ws",
      env: { A: "1" },
      firstMaskFd: 6,
      disableUserNamespaces: true,
      kernelSettings: ["/sys", "/proc/sys"],
    });

  test("a workspace", () => {
    const rules: Rules = [
      ["/", "read"],
      ["/ws", "write"],
      ["/ws/.git", "read"],
      ["/ws/.codex", "read"],
    ];
    expect(optionsOf(rules, workspace)).toEqual({
      options: [
        ..."--die-with-parent --unshare-user --unshare-pid --unshare-ipc --disable-userns --unshare-net".split(
          " ",
        ),
        ..."--ro-bind / / --dev /dev --perms 1777 --tmpfs /dev/shm --proc /proc".split(" "),
        ..."--ro-bind-try /sys /sys --ro-bind-try /proc/sys /proc/sys".split(" "),
        ..."--bind /ws /ws --perms 0555 --tmpfs /ws/.codex --ro-bind /ws/.git /ws/.git".split(" "),
        ..."--remount-ro /ws/.codex --remount-ro /dev --setenv A 1 --cap-drop ALL --chdir /ws".split(" "),
      ],
      masks: 0,
      placeholders: ["/ws/.codex"],
    });
  });

  test("an empty root is closed when all is mounted, and each denied file has a descriptor", () => {
    const rules: Rules = [
      ["/usr", "read"],
      ["/a", "read"],
      ["/a/one", "deny"],
      ["/a/two", "deny"],
      ["/a/in", "deny"],
    ];
    const disk = { "/usr/x": "file", "/a/one": "file", "/a/two": "file", "/a/in/x": "file" };
    const { options, masks } = optionsOf(rules, disk, true);
    expect(masks).toBe(2);
    const text = options.join(" ");
    expect(text).not.toContain("--unshare-net");
    expect(text).not.toContain("/sys /sys --ro-bind-try /proc");
    expect(text).toContain("--tmpfs / --dev /dev");
    expect(text).toContain("--perms 0000 --ro-bind-data 6 /a/one --perms 0000 --ro-bind-data 7 /a/two");
    expect(text).toContain("--perms 0000 --tmpfs /a/in");
    expect(text).toContain("--remount-ro /a/in --remount-ro /dev --remount-ro / --setenv");
  });
});

describe("the choice of a mechanism", () => {
  const no = (why: string) => ({ works: false as const, why });
  const seccomp = { works: true as const, architecture: "x64" as const };
  const bubblewrap = {
    works: true as const,
    path: "/usr/bin/bwrap",
    disableUserNamespaces: true,
    kernelSettings: [],
  };
  const landlock = { works: true as const, version: 7 };
  const names = { works: true as const };
  const all: Mechanisms = { seccomp, bubblewrap, landlock, names, seatbelt: no("not macOS") };
  const withoutBubblewrap = { ...all, bubblewrap: no("not installed") };
  const nothing: Mechanisms = {
    seccomp: no("not Linux"),
    bubblewrap: no(""),
    landlock: no(""),
    names: no(""),
    seatbelt: no(""),
  };
  const readOnly = policyOf([["/", "read"]]);
  const write = policyOf([
    ["/", "read"],
    ["/ws", "write"],
    ["/ws/.git", "read"],
  ]);
  const kindOf = (policy: Policy, works: Mechanisms) => planFor(policy, () => works, diskOf(workspace)).kind;

  test("asks for nothing where there is nothing to enforce", () => {
    const never = (): Mechanisms => {
      throw new Error("It was asked for");
    };
    expect(planFor(unrestricted, never, diskOf({})).kind).toBe("none");
  });

  test("takes bubblewrap, else what Landlock can say, and the filter for the network alone", () => {
    expect(kindOf({ ...unrestricted, network: false }, all)).toBe("filter");
    expect([kindOf(readOnly, all), kindOf(write, all)]).toEqual(["bubblewrap", "bubblewrap"]);
    expect(kindOf(readOnly, withoutBubblewrap)).toBe("landlock");
    expect(kindOf(readOnly, { ...all, seatbelt: { works: true, path: "/usr/bin/sandbox-exec" } })).toBe(
      "seatbelt",
    );
  });

  test("refuses what nothing can say", () => {
    expect(() => kindOf(write, withoutBubblewrap)).toThrow(
      'hold "/ws/.git" to be read-only in a writable folder, and it does not work (not installed)',
    );
    expect(() => kindOf(readOnly, { ...withoutBubblewrap, landlock: no("old") })).toThrow(
      "bubblewrap does not work (not installed), nor does Landlock (old)",
    );
    expect(() => kindOf({ ...unrestricted, network: false }, nothing)).toThrow(
      "cannot confine anything: not Linux",
    );
    expect(() => kindOf(readOnly, nothing)).toThrow(CannotEnforce);
  });

  test("refuses patterns and links in a writable folder where the kernel has too little for them", () => {
    const globs = policyOf(
      [
        ["/", "read"],
        ["/ws", "write"],
      ],
      { denyGlobs: ["/ws/**/.env"] },
    );
    expect(kindOf(globs, all)).toBe("bubblewrap");
    expect(() => kindOf(globs, { ...all, names: no("an old kernel") })).toThrow(
      "patterns and links in a writable folder cannot be held: an old kernel",
    );
    expect(kindOf(write, { ...all, names: no("an old kernel") })).toBe("bubblewrap");
    expect(() => kindOf(globs, withoutBubblewrap)).toThrow(
      'only bubblewrap could hold the pattern "/ws/**/.env"',
    );
  });

  test("Landlock takes places that only add", () => {
    const grounded = groundPolicy(
      policyOf([
        ["/usr", "read"],
        ["/ws", "write"],
      ]),
      diskOf({ "/usr/x": "file", ...workspace }),
    );
    expect(landlockRules(grounded)).toEqual([
      { path: "/usr", access: "read" },
      { path: "/ws", access: "write" },
    ]);
    for (const rules of [
      [
        ["/", "read"],
        ["/out", "deny"],
      ],
      [
        ["/", "read"],
        ["/ws", "write"],
        ["/ws/.codex", "read"],
      ],
      [
        ["/", "write"],
        ["/out", "read"],
      ],
    ] as Rules[]) {
      expect(() => landlockRules(groundPolicy(policyOf(rules), diskOf(workspace)))).toThrow(
        "only bubblewrap could hold",
      );
    }
  });
});
