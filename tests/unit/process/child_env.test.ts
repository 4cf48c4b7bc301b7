import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { childEnv } from "../../../lib/process/child_env.ts";
import type { EnvPolicy } from "../../../lib/protocol/process.ts";

const all: EnvPolicy = { inherit: "all", ignoreDefaultExcludes: true, exclude: [], set: {}, includeOnly: [] };

function envOf(
  policy: Partial<EnvPolicy> | undefined,
  serverEnv: Record<string, string | undefined>,
  env: Record<string, string> = {},
): Record<string, string> {
  const full = policy === undefined ? undefined : { ...all, ...policy };
  return { ...childEnv({ policy: full, env, serverEnv }) };
}

/** Whether a pattern drops a name. */
function drops(pattern: string, name: string): boolean {
  return !(name in envOf({ exclude: [pattern] }, { [name]: "x" }));
}

describe("the environment of a child", () => {
  test("without a policy is what was given and nothing else", () => {
    expect(envOf(undefined, { PATH: "/bin", A: "1" }, { B: "2", API_KEY: "3" })).toEqual({
      B: "2",
      API_KEY: "3",
    });
  });

  test("begins with everything, nothing, or the core names in any letter case", () => {
    const core = [
      "PATH",
      "SHELL",
      "TMPDIR",
      "TEMP",
      "TMP",
      "HOME",
      "LANG",
      "LC_ALL",
      "LC_CTYPE",
      "LOGNAME",
      "USER",
    ];
    const others = ["PWD", "TERM", "LC_TIME", "PATHS", "XHOME", "OLDPWD", "DISPLAY", "LANGUAGE", "TZ"];
    const serverEnv = Object.fromEntries([...core, ...others, "home", "Shell"].map((name) => [name, "x"]));
    expect(Object.keys(envOf({ inherit: "core" }, serverEnv)).sort()).toEqual(
      [...core, "home", "Shell"].sort(),
    );
    expect(envOf({ inherit: "all" }, serverEnv)).toEqual(serverEnv);
    expect(envOf({ inherit: "none" }, serverEnv)).toEqual({});
  });

  test("drops what looks like a credential unless told not to, whatever is inherited", () => {
    const serverEnv = { A: "1", MONKEY: "2", my_secret_thing: "3", Token: "4", KE_Y: "5", TOKE: "6" };
    expect(Object.keys(envOf({ ignoreDefaultExcludes: false }, serverEnv))).toEqual(["A", "KE_Y", "TOKE"]);
    expect(envOf({ ignoreDefaultExcludes: true }, serverEnv)).toEqual(serverEnv);
  });

  test("is made in the order inherit, excludes, set, includeOnly, env", () => {
    const policy: EnvPolicy = {
      inherit: "all",
      ignoreDefaultExcludes: false,
      exclude: ["B*"],
      set: { BB: "set", A_TOKEN: "set", C: "set", E: "set" },
      includeOnly: ["BB", "*TOKEN", "c", "D"],
    };
    const serverEnv = { A: "server", BA: "server", C: "server", D: "server", B_KEY: "server" };
    // `set` comes back from the exclusions but not from includeOnly; `env` is above all.
    expect(envOf(policy, serverEnv, { Z: "env", C: "env", X_KEY: "env" })).toEqual({
      BB: "set",
      A_TOKEN: "set",
      C: "env",
      D: "server",
      Z: "env",
      X_KEY: "env",
    });
  });

  test("never has what the peer keeps back, even when it is given", () => {
    const names = [
      "CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE",
      "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN",
      "NODE_REPL_AUTH_TOKEN",
    ];
    for (const name of names) {
      expect(envOf({}, { [name]: "x" })).toEqual({});
      expect(envOf({ set: { [name]: "x" } }, {})).toEqual({});
      expect(envOf({}, {}, { [name]: "x" })).toEqual({});
      expect(envOf(undefined, {}, { [name]: "x" })).toEqual({});
    }
  });

  test("has the server's own credentials only when the request carries them", () => {
    for (const name of ["CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_EXEC_SERVER_CONNECTION_TOKEN"]) {
      expect(envOf({ ignoreDefaultExcludes: true }, { [name]: "x", A: "1" })).toEqual({ A: "1" });
      expect(envOf({}, { [name]: "x" }, { [name]: "given" })).toEqual({ [name]: "given" });
      expect(envOf({ set: { [name]: "given" } }, {})).toEqual({ [name]: "given" });
    }
  });

  test("metadata is above env", () => {
    const env = { CODEX_TOOL_CALL_ID: "env", CODEX_THREAD_ID: "env" };
    expect({ ...childEnv({ env, serverEnv: {}, metadata: { toolCallId: "t", threadId: "h" } }) }).toEqual({
      CODEX_TOOL_CALL_ID: "t",
      CODEX_THREAD_ID: "h",
    });
    expect({ ...childEnv({ env, serverEnv: {}, metadata: {} }) }).toEqual(env);
  });

  test("names of Object.prototype are names like others, and undefined is no value", () => {
    const env = JSON.parse('{"__proto__":"a","constructor":"b"}');
    for (const policy of [undefined, all]) {
      const result = childEnv({ policy, env, serverEnv: { toString: "c", none: undefined } as never });
      expect(Object.entries(result)).toEqual([
        ...(policy ? [["toString", "c"]] : []),
        ["__proto__", "a"],
        ["constructor", "b"],
      ] as never);
    }
    expect(childEnv({ policy: all, env: {}, serverEnv: {} }).toString).toBeUndefined();
  });
});

describe("patterns", () => {
  const table: [string, string, boolean][] = [
    ["A", "A", true],
    ["A", "AB", false],
    ["A", "BA", false],
    ["a", "A", true],
    ["A_*", "a_x", true],
    ["A*", "A", true],
    ["*", "anything", true],
    ["*A", "BA", true],
    ["*A", "AB", false],
    ["*A*", "BAB", true],
    ["A?", "AB", true],
    ["A?", "A", false],
    ["A?", "ABC", false],
    ["?", "é", true],
    ["?", "😀", true],
    ["É*", "éa", true],
    ["**", "x", true],
    ["A*B*C", "AxxBxxC", true],
    ["A*B*C", "AxxBxx", false],
    ["*AB", "AAB", true],
    ["[AB]", "A", false],
    ["[AB]", "[AB]", true],
    ["A.C", "ABC", false],
    ["A+", "AA", false],
    ["\\*", "*", false],
    ["", "A", false],
    ["", "", false],
    ["*", "", true],
    ["?", "", false],
  ];
  for (const [pattern, name, expected] of table) {
    test(`"${pattern}" ${expected ? "matches" : "does not match"} "${name}"`, () => {
      expect(drops(pattern, name)).toBe(expected);
    });
  }

  test("any pattern and name give what a regular expression gives", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "B", "*", "?", "[", "."), maxLength: 8 });
    const name = fc.string({ unit: fc.constantFrom("a", "b", "A", "[", "."), maxLength: 8 });
    fc.assert(
      fc.property(text, name, (pattern, of) => {
        const source = pattern.replace(/[[.]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
        expect(drops(pattern, of)).toBe(pattern !== "" && new RegExp(`^${source}$`, "i").test(of));
      }),
      { numRuns: 1000 },
    );
  });

  test("no pattern is slow", () => {
    const from = performance.now();
    drops("*a".repeat(2000), "a".repeat(1999));
    drops(`${"*a".repeat(2000)}b`, "a".repeat(4000));
    expect(performance.now() - from).toBeLessThan(1000);
  });
});
