/** The environment of a child by `envPolicy`. */

import { expect } from "bun:test";
import { suite, verifies } from "../support/harness.ts";

/** Of the server, besides what it needs itself. */
const serverEnv = {
  PLAIN: "1",
  lower: "2",
  MY_API_KEY: "3",
  MONKEY: "4",
  aSecretThing: "5",
  TOKENIZER: "6",
  AWS_REGION: "7",
  AWS_X: "8",
  "odd[1]": "9",
  LC_ALL: "C.UTF-8",
  USER: "somebody",
  shell: "lower-shell",
  CODEX_API_KEY: "own",
  CODEX_ACCESS_TOKEN: "own",
  CODEX_EXEC_SERVER_CONNECTION_TOKEN: "own",
  NODE_REPL_AUTH_TOKEN: "own",
};
const base = { inherit: "all", ignoreDefaultExcludes: false, exclude: [], set: {}, includeOnly: [] };

suite("environment policy", { launch: { env: serverEnv } }, (t) => {
  /** The names, or some of them, that a child gets. */
  const names = async (policy: object, env: Record<string, string> = {}): Promise<string[]> =>
    Object.keys(await variables(policy, env)).sort();
  const variables = async (
    policy: object,
    env: Record<string, string> = {},
  ): Promise<Record<string, string>> => {
    const told = await t.run(["/usr/bin/env", "-0"], { env, envPolicy: { ...base, ...policy } });
    const pairs = told.stdout.split("\0").slice(0, -1);
    return Object.fromEntries(
      pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
    );
  };

  verifies("envPolicy: inherit all, core and none", async () => {
    const all = await names({});
    for (const name of ["PLAIN", "lower", "AWS_REGION", "PATH", "HOME"]) expect(all).toContain(name);
    expect(await names({ inherit: "core" })).toEqual(
      ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER", "shell"].sort(),
    );
    expect(await names({ inherit: "none" })).toEqual([]);
  });

  verifies("envPolicy: names that look like credentials are dropped unless told otherwise", async () => {
    const kept = await names({});
    for (const name of ["MY_API_KEY", "MONKEY", "aSecretThing", "TOKENIZER"])
      expect(kept).not.toContain(name);
    const all = await names({ ignoreDefaultExcludes: true });
    for (const name of ["MY_API_KEY", "MONKEY", "aSecretThing", "TOKENIZER"]) expect(all).toContain(name);
  });

  verifies("envPolicy: patterns are whole names in any case, with * and ?", async () => {
    const without = async (pattern: string): Promise<string[]> => {
      const [all, left] = [await names({}), await names({ exclude: [pattern] })];
      return all.filter((name) => !left.includes(name));
    };
    expect(await without("aws_*")).toEqual(["AWS_REGION", "AWS_X"]);
    expect(await without("AWS_?")).toEqual(["AWS_X"]);
    expect(await without("*S_x")).toEqual(["AWS_X"]);
    expect(await without("PLAI")).toEqual([]);
    expect(await without("odd[1]")).toEqual(["odd[1]"]);
    expect(await without("odd[0-9]")).toEqual([]);
    expect(await without("")).toEqual([]);
    expect(await without("P.AIN")).toEqual([]);
  });

  verifies("envPolicy: set comes after the exclusions, includeOnly after set, env last", async () => {
    const set = { ADDED: "a", NEW_TOKEN: "b", PLAIN: "replaced" };
    const policy = { inherit: "none", set, exclude: ["ADDED"] };
    expect(await variables(policy)).toEqual(set);
    expect(await variables({ ...policy, includeOnly: ["*TOKEN", "plain"] })).toEqual({
      NEW_TOKEN: "b",
      PLAIN: "replaced",
    });
    const env = { ADDED: "from env", OTHER_SECRET: "kept" };
    expect(await variables({ ...policy, includeOnly: ["PLAIN"] }, env)).toEqual({
      PLAIN: "replaced",
      ...env,
    });
  });

  verifies("envPolicy: all five members are wanted, of the right type", async () => {
    for (const name of Object.keys(base)) {
      const policy = { ...base, [name]: undefined };
      expect((await t.refusal(t.params("true", { envPolicy: policy }))).code).toBe(-32602);
    }
    for (const bad of [
      { inherit: "ALL" },
      { inherit: "some" },
      { exclude: "A" },
      { set: { A: 1 } },
      { set: null },
    ]) {
      expect((await t.refusal(t.params("true", { envPolicy: { ...base, ...bad } }))).code).toBe(-32602);
    }
  });

  verifies("envPolicy: the credentials of the server itself stay with it", async () => {
    const found = await names({ ignoreDefaultExcludes: true });
    const own = ["CODEX_ACCESS_TOKEN", "CODEX_API_KEY", "CODEX_EXEC_SERVER_CONNECTION_TOKEN"];
    t.same(
      "own credentials",
      found.filter((name) => own.includes(name)),
      [],
    );
    const given = await names({ inherit: "none" }, { NODE_REPL_AUTH_TOKEN: "x", CODEX_API_KEY: "given" });
    t.same("stripped names", given, ["CODEX_API_KEY"]);
  });

  verifies("envPolicy: without a policy a child gets env only", async () => {
    const told = await t.run(["/usr/bin/env"], { env: { ONLY_TOKEN: "1" }, envPolicy: null });
    expect(told.stdout).toBe("ONLY_TOKEN=1\n");
  });
});
