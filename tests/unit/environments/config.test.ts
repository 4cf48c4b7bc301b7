import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { codexHome, loadEnvironments } from "../../../lib/environments/config.ts";
import type { EnvironmentsConfig } from "../../../lib/environments/toml.ts";
import { ExecServerError } from "../../../lib/protocol/errors.ts";

const LOCAL_ONLY: EnvironmentsConfig = {
  source: "built-in",
  includeLocal: true,
  environments: [],
  defaultId: "local",
  disabled: false,
  warnings: [],
};

let home: string;
let file: string;

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "environments-")));
  file = join(home, "environments.toml");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function load(env: Record<string, string | undefined> = {}): EnvironmentsConfig {
  return loadEnvironments({ env: { CODEX_HOME: home, ...env } });
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ExecServerError);
    expect((error as ExecServerError).code).toBe("ERR_CONFIG");
    return (error as ExecServerError).message;
  }
  throw new Error("Nothing was refused");
}

describe("CODEX_HOME (1.1)", () => {
  test("a folder is used, with its symbolic links resolved", () => {
    symlinkSync(home, join(home, "link"));
    expect(codexHome({ env: { CODEX_HOME: join(home, "link") } })).toBe(home);
  });

  test("unset or empty means .codex in HOME, which need not exist", () => {
    expect(codexHome({ env: { HOME: "/nowhere" } })).toBe("/nowhere/.codex");
    expect(codexHome({ env: { HOME: "/nowhere", CODEX_HOME: "" } })).toBe("/nowhere/.codex");
    expect(loadEnvironments({ env: { HOME: "/nowhere" } })).toEqual(LOCAL_ONLY);
  });

  test("homeDir replaces HOME, and the system's home folder an empty HOME", () => {
    expect(codexHome({ env: { HOME: "/nowhere" }, homeDir: "/other" })).toBe("/other/.codex");
    expect(codexHome({ env: { HOME: "" } })).toBe(join(homedir(), ".codex"));
  });

  test.each(["missing", " "])("what does not exist is refused by name: %p", (name) => {
    const path = join(home, name);
    expect(refusalOf(() => load({ CODEX_HOME: path }))).toBe(`Cannot use CODEX_HOME "${path}": ENOENT`);
  });

  test("white space alone is a name, too", () => {
    expect(refusalOf(() => load({ CODEX_HOME: " " }))).toBe('Cannot use CODEX_HOME " ": ENOENT');
  });

  test("a file is refused by name", () => {
    writeFileSync(file, "");
    expect(refusalOf(() => load({ CODEX_HOME: file }))).toBe(
      `Cannot use CODEX_HOME "${file}": expected a folder`,
    );
  });
});

describe("environments.toml (1.1)", () => {
  test("a file is the source, and a relative cwd starts from its folder", () => {
    writeFileSync(file, '\ufeff[[environments]]\r\nid = "a"\r\nprogram = "p"\r\ncwd = "w"\r\n');
    expect(load()).toMatchObject({
      source: "file",
      path: file,
      environments: [{ id: "a", transport: { cwd: join(home, "w") } }],
    });
  });

  test("no file means local only", () => {
    expect(load()).toEqual(LOCAL_ONLY);
  });

  test("a symbolic link to nothing is no file", () => {
    symlinkSync(join(home, "nothing"), file);
    expect(load()).toEqual(LOCAL_ONLY);
  });

  test("a folder in its place is refused", () => {
    mkdirSync(file);
    expect(refusalOf(load)).toBe(`Cannot read "${file}": EISDIR`);
  });

  test("a circle of symbolic links is refused", () => {
    symlinkSync(file, file);
    expect(refusalOf(load)).toBe(`Cannot read "${file}": ELOOP`);
  });

  test("even an empty file switches CODEX_EXEC_SERVER_URL off", () => {
    writeFileSync(file, "");
    for (const url of ["ws://h", "none"]) {
      expect(load({ CODEX_EXEC_SERVER_URL: url })).toEqual({ ...LOCAL_ONLY, source: "file", path: file });
    }
  });

  test("a fault is refused with its place", () => {
    writeFileSync(file, "\n  x = 1");
    expect(refusalOf(load)).toStartWith(`Cannot use "${file}": line 2, column 3: *: unknown key`);
  });

  test.each([
    ["at the start", [0xff], "line 1, column 1"],
    ["after a byte order mark", [0xef, 0xbb, 0xbf, 0x23, 0xff], "line 1, column 2"],
    ["in the second line", [...Buffer.from("# é\n# é"), 0xc3], "line 2, column 4"],
    ["after a real U+FFFD", [...Buffer.from("# \ufffd"), 0xed, 0xa0, 0x80], "line 1, column 4"],
  ])("what is not UTF-8 is refused with its place: %s", (_, bytes, place) => {
    writeFileSync(file, Uint8Array.from(bytes));
    expect(refusalOf(load)).toBe(`Cannot use "${file}": ${place}: Not UTF-8`);
  });

  test("a real U+FFFD is fine", () => {
    writeFileSync(file, "\ufeff# \ufffd\ufffd");
    expect(load().source).toBe("file");
  });
});

describe("CODEX_EXEC_SERVER_URL (1.6)", () => {
  test.each(["", " \t"])("blank is ignored: %p", (url) => {
    expect(load({ CODEX_EXEC_SERVER_URL: url })).toEqual(LOCAL_ONLY);
  });

  test.each(["none", " NONE "])("%p switches environments off, local included", (url) => {
    expect(load({ CODEX_EXEC_SERVER_URL: url })).toEqual({
      source: "variable",
      includeLocal: false,
      environments: [],
      defaultId: null,
      disabled: true,
      warnings: [],
    });
  });

  test.each(["ws://h:1", " ws://h:1\n", "garbage", "http://x"])(
    "%p is the environment remote, unchecked",
    (url) => {
      expect(load({ CODEX_EXEC_SERVER_URL: url })).toEqual({
        source: "variable",
        includeLocal: false,
        environments: [
          {
            id: "remote",
            transport: { kind: "websocket", url: url.trim(), connectTimeoutMs: 10_000 },
            initializeTimeoutMs: 10_000,
          },
        ],
        defaultId: "remote",
        disabled: false,
        warnings: [],
      });
    },
  );
});

describe("the Noise variables (1.6)", () => {
  const all = {
    CODEX_EXEC_SERVER_NOISE_REGISTRY_URL: "https://hunter2.example",
    CODEX_EXEC_SERVER_NOISE_ENVIRONMENT_ID: "hunter2",
    CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN: "hunter2",
  };
  const names = Object.keys(all) as (keyof typeof all)[];

  test.each(names)("without %s alone, the set is refused", (name) => {
    for (const value of [undefined, "", " "]) {
      expect(refusalOf(() => load({ ...all, [name]: value }))).toBe(
        `Cannot use the CODEX_EXEC_SERVER_NOISE variables: expected all of them or none, without ${name}`,
      );
    }
  });

  test.each(names)("with %s alone, the set is refused", (name) => {
    const message = refusalOf(() => load({ [name]: all[name] }));
    expect(message).toEndWith(`without ${names.filter((other) => other !== name).join(", ")}`);
    expect(message).not.toContain("hunter2");
  });

  test("the whole set is refused, as there is no relay yet, before the file is read", () => {
    writeFileSync(file, "x = 1");
    expect(refusalOf(() => load(all))).toBe(
      "Cannot use the CODEX_EXEC_SERVER_NOISE variables: the relay is not built in yet, unset them",
    );
  });

  test("blank ones are unset, and the account alone means nothing", () => {
    const env = { CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN: " ", CODEX_EXEC_SERVER_NOISE_CHATGPT_ACCOUNT_ID: "x" };
    expect(load(env)).toEqual(LOCAL_ONLY);
  });
});
