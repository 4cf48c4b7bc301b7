import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  type EnvironmentConfig,
  type EnvironmentsConfig,
  parseEnvironmentsToml,
} from "../../../lib/environments/toml.ts";
import { ExecServerError } from "../../../lib/protocol/errors.ts";

const FILE = { path: "/home/u/.codex/environments.toml", dir: "/home/u/.codex" };

/** Stands right before the place that an error must point at; it is not part of the file. */
const MARK = "‸";

function parse(text: string): EnvironmentsConfig {
  return parseEnvironmentsToml(text, FILE);
}

/** The only environment of a file that consists of `lines` after `[[environments]]`. */
function parseOne(...lines: string[]): EnvironmentConfig {
  const { environments } = parse(["[[environments]]", ...lines].join("\n"));
  expect(environments).toHaveLength(1);
  return environments[0]!;
}

function refusalOf(text: string): ExecServerError {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ExecServerError);
    expect((error as ExecServerError).code).toBe("ERR_CONFIG");
    return error as ExecServerError;
  }
  throw new Error("The file was accepted");
}

/** Expects that the file is refused at the mark, with `detail` after the place. */
function expectRefusal(marked: string, detail: string | RegExp): void {
  const before = marked.slice(0, marked.indexOf(MARK)).replace(/^\ufeff/, "");
  expect(marked.split(MARK)).toHaveLength(2);
  const lines = before.split("\n");
  const place = `line ${lines.length}, column ${Array.from(lines.at(-1)!).length + 1}`;
  const { message } = refusalOf(marked.replace(MARK, ""));
  const prefix = `Cannot use "${FILE.path}": ${place}: `;
  expect(message).toStartWith(prefix);
  const rest = message.slice(prefix.length);
  if (typeof detail === "string") expect(rest).toBe(detail);
  else expect(rest).toMatch(detail);
}

const entry = (...lines: string[]) => ["[[environments]]", ...lines].join("\n");
const websocket = (...lines: string[]) => entry('id = "a"', 'url = "ws://127.0.0.1:1"', ...lines);
const stdio = (...lines: string[]) => entry('id = "a"', 'program = "ssh"', ...lines);

describe("the file as a whole (1.1)", () => {
  const local = {
    source: "file",
    path: FILE.path,
    includeLocal: true,
    environments: [],
    defaultId: "local",
    disabled: false,
    warnings: [],
  };
  test.each([
    ["empty", ""],
    ["only a comment", "# nothing"],
    ["only a byte order mark", "\ufeff"],
    ["blank lines, LF and CRLF", "\n \t\r\n"],
    ["an empty array of environments", "environments = []"],
  ])("a file is valid and means local: %s", (_, text) => {
    expect(parse(text)).toEqual(local as EnvironmentsConfig);
  });

  test("a byte order mark and CRLF change nothing", () => {
    const text = stdio('args = ["-T"]', "[environments.env]", 'A = "1"', "");
    expect(parse(`\ufeff${text.replaceAll("\n", "\r\n")}`)).toEqual(parse(text));
  });

  test("columns do not count a byte order mark, and count an emoji once", () => {
    expectRefusal(`\ufeff${MARK}x = 1`, /^\*: unknown key/);
    expectRefusal(`environments = [{ id = "😀", ${MARK}x = 1 }]`, /^environments\[0\]\.\*: unknown key/);
  });
});

describe("the schema (1.2)", () => {
  test("an example with everything", () => {
    const config = parse(`
      default = "build-box"
      include_local = false

      [[environments]]
      id = "build-box"
      url = " wss://build.example:8443/exec "
      auth_bearer_token = "s3cr3t"
      connect_timeout_sec = 3
      initialize_timeout_sec = 4.5
      skills = { required = ["deploy"] }

      [[environments]]
      id = "ssh-lab"
      program = " ssh "
      args = ["-T", "lab", "exec-server --listen stdio"]
      cwd = "ssh-work"
      initialize_timeout_sec = 30
      [environments.env]
      SSH_AUTH_SOCK = "/run/agent.sock"`);
    expect(config).toEqual({
      source: "file",
      path: FILE.path,
      includeLocal: false,
      defaultId: "build-box",
      disabled: false,
      warnings: [],
      environments: [
        {
          id: "build-box",
          transport: {
            kind: "websocket",
            url: "wss://build.example:8443/exec",
            connectTimeoutMs: 3000,
            authBearerToken: "s3cr3t",
          },
          initializeTimeoutMs: 4500,
          skills: { required: ["deploy"] },
        },
        {
          id: "ssh-lab",
          transport: {
            kind: "stdio",
            program: "ssh",
            args: ["-T", "lab", "exec-server --listen stdio"],
            env: { SSH_AUTH_SOCK: "/run/agent.sock" },
            cwd: "/home/u/.codex/ssh-work",
          },
          initializeTimeoutMs: 30_000,
        },
      ],
    });
  });

  test("defaults of a websocket: 10 s and 10 s, no token, no skills", () => {
    expect(parseOne('id = "a"', 'url = "ws://h"')).toEqual({
      id: "a",
      transport: { kind: "websocket", url: "ws://h", connectTimeoutMs: 10_000 },
      initializeTimeoutMs: 10_000,
    });
  });

  test("defaults of a program: no arguments, nothing in env, no cwd, 10 s", () => {
    expect(parseOne('id = "a"', 'program = "p"')).toEqual({
      id: "a",
      transport: { kind: "stdio", program: "p", args: [], env: {} },
      initializeTimeoutMs: 10_000,
    });
  });

  test("an inline array of tables equals [[environments]], over several lines and with a last comma too", () => {
    const inline = 'environments = [{ id = "a", url = "ws://h" }, {\n id = "b", # c\n program = "p",\n},]';
    expect(parse(inline)).toEqual(
      parse('[[environments]]\nid = "a"\nurl = "ws://h"\n[[environments]]\nid = "b"\nprogram = "p"'),
    );
  });

  test("dotted and quoted keys are keys", () => {
    expect(parse('"include\\u005flocal" = false').includeLocal).toBe(false);
    expect(parse(stdio('env.A = "1"', "env.'B C' = \"2\"")).environments[0]!.transport).toMatchObject({
      env: { A: "1", "B C": "2" },
    });
  });

  test("names from Object.prototype are ordinary names in env, and no keys elsewhere", () => {
    const { transport } = parseOne(
      'id = "a"',
      'program = "p"',
      "[environments.env]",
      '__proto__ = "x"',
      'constructor = "y"',
    );
    expect(Object.entries((transport as { env: object }).env)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    for (const key of ["__proto__", "constructor", "toString"]) {
      expectRefusal(`${MARK}${key} = 1`, "*: unknown key, expected default, include_local, environments");
      expectRefusal(`[${MARK}${key}.x]`, /^\*: unknown key/);
      expectRefusal(websocket(`${MARK}${key} = 1`), /^environments\[0\]\.\*: unknown key/);
    }
  });

  test.each([
    [
      "top-level key unknown",
      `${MARK}x = 1`,
      "*: unknown key, expected default, include_local, environments",
    ],
    ["table unknown", `[${MARK}x]`, "*: unknown key, expected default, include_local, environments"],
    [
      "environment key unknown",
      websocket(`${MARK}x = 1`),
      "environments[0].*: unknown key, expected id, url, program, args, env, cwd, connect_timeout_sec, " +
        "initialize_timeout_sec, auth_bearer_token, skills",
    ],
    [
      "skills key unknown",
      websocket(`skills = { ${MARK}x = 1 }`),
      "environments[0].skills.*: unknown key, expected required",
    ],
    ["default not a string", `${MARK}default = 1`, "default: expected a string"],
    ["include_local not a boolean", `${MARK}include_local = "true"`, "include_local: expected true or false"],
    [
      "environments a single table",
      `[${MARK}environments]\nid = "a"`,
      /^environments: expected \[\[environments\]\]/,
    ],
    ["environments a string", `${MARK}environments = "a"`, /^environments: expected \[\[environments\]\]/],
    ["environments of numbers", `environments = [${MARK}1]`, /^environments\[0\]: expected a table/],
    ["id missing", `\n${MARK}[[environments]]\nprogram = "p"`, "environments[0]: expected the key id"],
    ["id missing inline", `environments = [ ${MARK}{} ]`, "environments[0]: expected the key id"],
    ["id not a string", entry(`${MARK}id = 1`), "environments[0].id: expected a string"],
    ["url not a string", entry('id = "a"', `${MARK}url = true`), "environments[0].url: expected a string"],
    [
      "program not a string",
      entry('id = "a"', `${MARK}program = ["p"]`),
      "environments[0].program: expected a string",
    ],
    ["args not an array", stdio(`${MARK}args = "x"`), "environments[0].args: expected an array of strings"],
    ["args of numbers", stdio(`args = ["x", ${MARK}1]`), "environments[0].args[1]: expected a string"],
    ["env not a table", stdio(`${MARK}env = ["A"]`), "environments[0].env: expected a table of strings"],
    [
      "env of numbers",
      stdio("[environments.env]", 'A = "1"', `${MARK}B = 1`),
      "environments[0].env.*: expected a string",
    ],
    [
      "env with a dotted key",
      stdio(`env = { ${MARK}A.B = "1" }`),
      "environments[0].env.*: expected a string",
    ],
    ["cwd not a string", stdio(`${MARK}cwd = 2020-01-01`), "environments[0].cwd: expected a string"],
    [
      "token not a string",
      websocket(`${MARK}auth_bearer_token = 1`),
      "environments[0].auth_bearer_token: expected a string",
    ],
    ["skills not a table", websocket(`${MARK}skills = "x"`), /^environments\[0\]\.skills: expected a table/],
    [
      "skills.required not an array",
      websocket("[environments.skills]", `${MARK}required = "x"`),
      "environments[0].skills.required: expected an array of strings",
    ],
  ] as [string, string, string | RegExp][])("is refused: %s", (_, marked, detail) =>
    expectRefusal(marked, detail),
  );

  test.each([
    ["websocket", websocket('skills = { required = ["a", "a", ""] }'), ["a", "a", ""]],
    ["program", stdio("skills = {}"), []],
  ])("skills are kept and not looked at: %s", (_, text, required) => {
    expect(parse(text).environments[0]!.skills).toEqual({ required });
  });
});

describe("validation of an environment (1.3)", () => {
  const id = (value: string) => entry(`${MARK}id = ${value}`, 'program = "p"');
  const url = (value: string) => entry('id = "a"', `${MARK}url = "${value}"`);
  const token = (on: string, value: string) =>
    entry('id = "a"', `url = "${on}"`, `${MARK}auth_bearer_token = "${value}"`);
  const badUrl = "environments[0].url: expected ws://host:port or wss://host:port";
  const clear = /^environments\[0\]\.auth_bearer_token: expected a wss:\/\//;
  const headerValue = /^environments\[0\]\.auth_bearer_token: expected the value of a header/;
  const reserved = 'environments[0].id: expected an id other than "local" and "none"';
  const characters = 'environments[0].id: expected ASCII letters, digits, "-" and "_" only';
  const outerSpace = "environments[0].id: expected an id without white space around it";

  test.each([
    ["1 id empty", id('""'), "environments[0].id: expected an id that is not empty"],
    ["1 id blank", id('" \\t"'), "environments[0].id: expected an id that is not empty"],
    ["2 id with a space before", id('" a"'), outerSpace],
    ["2 id with a line end after", id('"a\\n"'), outerSpace],
    ["2 id with a no-break space before", id('"\u00a0a"'), outerSpace],
    ["3 id local", id('"local"'), reserved],
    ["3 id local without the local one", `include_local = false\n${id('"local"')}`, reserved],
    ["3 id none", id('"none"'), reserved],
    ["3 id NoNe", id('"NoNe"'), reserved],
    ["4 id of 65 bytes", id(`"${"a".repeat(65)}"`), "environments[0].id: expected an id of at most 64 bytes"],
    [
      "4 id of 33 two-byte letters",
      id(`"${"é".repeat(33)}"`),
      "environments[0].id: expected an id of at most 64 bytes",
    ],
    ["5 id with a dot", id('"a.b"'), characters],
    ["5 id with a space", id('"a b"'), characters],
    ["5 id with a letter beyond ASCII", id('"é"'), characters],
    ["6 args without program", websocket(`${MARK}args = []`), "environments[0].args: only goes with program"],
    ["6 env without program", websocket(`${MARK}env = {}`), "environments[0].env: only goes with program"],
    [
      "6 env as a header without program",
      websocket(`[environments.${MARK}env]`),
      "environments[0].env: only goes with program",
    ],
    ["6 cwd without program", websocket(`${MARK}cwd = ""`), "environments[0].cwd: only goes with program"],
    [
      "7 token with program",
      stdio(`${MARK}auth_bearer_token = "t"`),
      "environments[0].auth_bearer_token: only goes with url",
    ],
    [
      "7 token with neither",
      entry('id = "a"', `${MARK}auth_bearer_token = "t"`),
      "environments[0].auth_bearer_token: only goes with url",
    ],
    [
      "8 connect timeout with program",
      stdio(`${MARK}connect_timeout_sec = 1`),
      "environments[0].connect_timeout_sec: only goes with url",
    ],
    [
      "8 connect timeout with neither",
      entry('id = "a"', `${MARK}connect_timeout_sec = 1`),
      "environments[0].connect_timeout_sec: only goes with url",
    ],
    [
      "9 url and program",
      websocket(`${MARK}program = "p"`),
      "environments[0].program: expected only one of url and program",
    ],
    [
      "9 neither url nor program",
      `${MARK}[[environments]]\nid = "a"`,
      "environments[0]: expected one of url and program",
    ],
    ["10 url empty", url(""), badUrl],
    ["10 url blank", url("  "), badUrl],
    ["10 url of http", url("http://h"), badUrl],
    ["10 url in capitals", url("WS://h"), badUrl],
    ["10 url without a host", url("ws://"), badUrl],
    ["10 url with a path only", url("ws:///x"), badUrl],
    ["10 url with a query only", url("wss://?x"), badUrl],
    ["10 url with a space in the host", url("ws://h h"), badUrl],
    ["10 url with a space in the path", url("ws://h/a b"), badUrl],
    ["10 url with a line end", url("ws://h/a\\nb"), badUrl],
    ["10 url with an open bracket", url("ws://[::1"), badUrl],
    ["10 url with a host beyond ASCII", url("ws://é:1"), badUrl],
    ["10 url with an escape in the host", url("ws://%41:1"), badUrl],
    ["10 url with a backslash in the host", url("ws://127.0.0.1\\\\@h"), badUrl],
    ["10 url that new URL refuses: no host", url("ws://:80"), badUrl],
    ["10 url that new URL refuses: port", url("ws://h:99999"), badUrl],
    ["10 url that new URL refuses: address", url("ws://1.2.3.4.5:1"), badUrl],
    ["11 token with a line end", token("wss://h", "a\\nb"), headerValue],
    ["11 token with a DEL", token("wss://h", "a\\u007f"), headerValue],
    ["11 token with a space before", token("wss://h", " t"), /without white space around it$/],
    ["11 token with a tab after", token("wss://h", "t\\t"), /without white space around it$/],
    ["11 token in clear to a name", token("ws://h", "t"), clear],
    ["11 token in clear to 0.0.0.0", token("ws://0.0.0.0:1", "t"), clear],
    ["11 token in clear to 10.0.0.1", token("ws://10.0.0.1:1", "t"), clear],
    ["11 token in clear to a name like an address", token("ws://127.0.0.1.example:1", "t"), clear],
    ["11 token in clear to a name under localhost", token("ws://a.localhost:1", "t"), clear],
    ["11 token in clear to localhost with a dot", token("ws://localhost.:1", "t"), clear],
    ["11 token in clear to a mapped address", token("ws://[::ffff:127.0.0.1]:1", "t"), clear],
    ["11 token in clear behind user-info", token("ws://localhost@h:1", "t"), clear],
    [
      "12 program empty",
      entry('id = "a"', `${MARK}program = ""`),
      "environments[0].program: expected a program that is not empty",
    ],
    [
      "12 program blank",
      entry('id = "a"', `${MARK}program = "\\u0085 "`),
      "environments[0].program: expected a program that is not empty",
    ],
    [
      "13 id twice",
      `${stdio()}\n${entry(`${MARK}id = "a"`, 'program = "p"')}`,
      "environments[1].id: expected a unique id, this is that of environments[0]",
    ],
  ] as [string, string, string | RegExp][])("is refused: %s", (_, marked, detail) =>
    expectRefusal(marked, detail),
  );

  test.each(["Local", "LOCAL", "remote", "-_9", "a".repeat(64), "nonet"])("id is fine: %s", (value) => {
    expect(parseOne(`id = "${value}"`, 'program = "p"').id).toBe(value);
  });

  test("ids differ by case", () => {
    const both = parse('environments = [{ id = "a", program = "p" }, { id = "A", program = "p" }]');
    expect(both.environments.map((environment) => environment.id)).toEqual(["a", "A"]);
  });

  test.each([
    "ws://h",
    "wss://h:8443/exec?a=b|c",
    "ws://h:",
    "ws://h#fragment",
    "ws://u:p%41@h:1",
    "ws://[::1]:1",
    "ws://a_b:1",
    "ws://h/é",
  ])("url is fine: %s", (value) => {
    expect(parseOne('id = "a"', `url = "\\t${value} "`).transport).toMatchObject({ url: value });
  });

  test.each([
    "ws://localhost:1",
    "ws://LOCALHOST:1",
    "ws://user@localhost:1",
    "ws://127.0.0.1:1",
    "ws://127.9.9.9:1",
    "ws://127.1:1",
    "ws://[::1]:1",
    "ws://[0:0:0:0:0:0:0:1]:1",
    "wss://10.0.0.1:1",
  ])("a token may go to %s", (value) => {
    expect(parseOne('id = "a"', `url = "${value}"`, 'auth_bearer_token = "a\\té"').transport).toMatchObject({
      authBearerToken: "a\té",
    });
  });

  test("an empty token is taken with a warning", () => {
    const config = parse(websocket('auth_bearer_token = ""'));
    expect(config.environments[0]!.transport).toMatchObject({ authBearerToken: "" });
    expect(config.warnings).toEqual([
      `"${FILE.path}": line 4, column 1: environments[0].auth_bearer_token: is empty`,
    ]);
  });

  test("types come before values, environments before default, and the first environment first", () => {
    const badId = '[[environments]]\nid = ""\nprogram = "p"\n';
    expectRefusal(`${badId}[[environments]]\n${MARK}id = 1`, /expected a string$/);
    expectRefusal(`${badId}${MARK}[[environments]]\nprogram = "p"`, "environments[1]: expected the key id");
    expectRefusal(`default = "x"\n${badId.replace("id", `${MARK}id`)}`, /^environments\[0\]\.id/);
    expectRefusal(`${badId.replace("id", `${MARK}id`)}${badId}`, /^environments\[0\]\.id/);
    expectRefusal(`x = 1\n${badId}y = ${MARK}`, "Expected a value");
  });

  test("the checks of one environment run in the order of the table", () => {
    expectRefusal(entry(`${MARK}id = "none"`, "args = []"), /^environments\[0\]\.id/);
    expectRefusal(entry('id = "a"', 'auth_bearer_token = "t"', `${MARK}args = []`), /\.args:/);
    expectRefusal(entry('id = "a"', "connect_timeout_sec = 1", `${MARK}auth_bearer_token = "t"`), /_token:/);
    expectRefusal(
      stdio(`${MARK}connect_timeout_sec = 1`, 'url = "x"').replace('url = "x"', ""),
      /timeout_sec:/,
    );
    expectRefusal(entry('id = "a"', 'url = "bad"', `${MARK}program = ""`), /only one of/);
    expectRefusal(entry('id = "a"', `${MARK}url = "bad"`, 'auth_bearer_token = "\\n"'), /\.url:/);
  });
});

describe("timeouts (1.3)", () => {
  test.each([
    ["0.25", 250],
    ["3", 3000],
    ["1_0", 10_000],
    ["0x3", 3000],
    ["1e3", 1_000_000],
    ["+1.0005", 1001],
    ["1e-10", 1],
    ["9223372036854775807", 2 ** 63 * 1000],
    ["18446744073709549568.0", (2 ** 64 - 2048) * 1000],
  ])("%s s is %d ms", (text, ms) => {
    const config = parse(websocket(`connect_timeout_sec = ${text}`, `initialize_timeout_sec = ${text}`));
    expect(config.environments[0]).toMatchObject({
      transport: { connectTimeoutMs: ms },
      initializeTimeoutMs: ms,
    });
    expect(config.warnings).toEqual([]);
  });

  test.each(["0", "-0", "0.0", "-0.0"])("%s is taken with a warning", (text) => {
    const config = parse(websocket(`connect_timeout_sec = ${text}`, `initialize_timeout_sec = ${text}`));
    const [environment] = config.environments;
    // toBe tells -0 from 0.
    expect(environment!.initializeTimeoutMs).toBe(0);
    expect((environment!.transport as { connectTimeoutMs: number }).connectTimeoutMs).toBe(0);
    expect(config.warnings).toEqual([
      `"${FILE.path}": line 4, column 1: environments[0].connect_timeout_sec: 0 leaves no time at all`,
      `"${FILE.path}": line 5, column 1: environments[0].initialize_timeout_sec: 0 leaves no time at all`,
    ]);
  });

  test.each([
    "-1",
    "-1e-300",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e30",
    "1e400",
    "18446744073709551615",
    "18446744073709551616.0",
    "99999999999999999999",
    '"3"',
    "true",
    "12:00:00",
  ])("%s is refused", (text) => {
    const detail = "expected a number of seconds, 0 or more and below 2^64";
    expectRefusal(
      websocket(`${MARK}connect_timeout_sec = ${text}`),
      `environments[0].connect_timeout_sec: ${detail}`,
    );
    expectRefusal(
      stdio(`${MARK}initialize_timeout_sec = ${text}`),
      `environments[0].initialize_timeout_sec: ${detail}`,
    );
  });
});

describe("cwd (1.3)", () => {
  test.each([
    ["/srv/x", "/srv/x"],
    ["ssh-work", "/home/u/.codex/ssh-work"],
    ["", "/home/u/.codex"],
    [".", "/home/u/.codex/."],
    ["../x", "/home/u/.codex/../x"],
    ["~/x", "/home/u/.codex/~/x"],
  ])("%p means %p", (cwd, resolved) => {
    expect(parseOne('id = "a"', 'program = "p"', `cwd = "${cwd}"`).transport).toMatchObject({
      cwd: resolved,
    });
  });
});

describe("the default (1.5)", () => {
  const one = '\n[[environments]]\nid = "box"\nprogram = "p"';
  test.each([
    ["absent, with local", one, "local"],
    ["absent, without local, one remote", `include_local = false${one}`, null],
    ["none", `default = "none"${one}`, null],
    ["NoNe with white space, without local", `default = " NoNe\\t"\ninclude_local = false${one}`, null],
    ["local", `default = " local "${one}`, "local"],
    ["configured", `default = " box "${one}`, "box"],
    ["configured, without local", `default = "box"\ninclude_local = false${one}`, "box"],
    ["configured as Local", `default = "Local"${one.replace("box", "Local")}`, "Local"],
  ] as [string, string, string | null][])("%s", (_, text, defaultId) => {
    const config = parse(text);
    expect(config.defaultId).toBe(defaultId);
    expect(config.environments).toHaveLength(1);
    expect(config.disabled).toBe(false);
  });

  test.each([
    ["empty", `${MARK}default = ""`, "default: expected an id that is not empty"],
    ["blank", `${MARK}default = " "`, "default: expected an id that is not empty"],
    [
      "local without local",
      `${MARK}default = "local"\ninclude_local = false`,
      'default: expected "none" or the id of one of environments',
    ],
    [
      "Local",
      `${MARK}default = "Local"`,
      'default: expected "none", "local" or the id of one of environments',
    ],
    ["configured in another case", `${MARK}default = "Box"${one}`, /^default: expected "none"/],
    ["not configured", `${MARK}default = "x"${one}`, /^default: expected "none"/],
  ] as [string, string, string | RegExp][])("is refused: %s", (_, marked, detail) =>
    expectRefusal(marked, detail),
  );
});

describe("environments.example.toml", () => {
  const text = readFileSync(new URL("../../../environments.example.toml", import.meta.url), "utf8");

  test("is valid and safe as it stands", () => {
    const config = parse(text);
    expect(config.defaultId).toBe("local");
    expect(config.environments.map(({ id, transport }) => [id, transport.kind])).toEqual([
      ["loopback", "websocket"],
      ["ssh-lab", "stdio"],
    ]);
    expect(config.warnings).toEqual([]);
  });

  test("shows every key", () => {
    const keys =
      "default include_local environments id url program args env cwd connect_timeout_sec " +
      "initialize_timeout_sec auth_bearer_token skills required";
    for (const key of keys.split(" ")) {
      expect(text).toMatch(
        new RegExp(`^(?:\\[*(?:environments\\.)?${key}\\]+$|${key} = |[^#]*\\{ ${key} = )`, "m"),
      );
    }
  });

  test("any beginning of it is either valid or refused with a place in it", () => {
    for (let length = 0; length <= text.length; length++) {
      const prefix = text.slice(0, length);
      try {
        parse(prefix);
      } catch (error) {
        expect(error).toBeInstanceOf(ExecServerError);
        const line = Number(/: line (\d+), column \d+: /.exec((error as Error).message)?.[1]);
        expect(line).toBeGreaterThan(0);
        expect(line).toBeLessThanOrEqual(prefix.split("\n").length);
      }
    }
  });
});

describe("properties", () => {
  test("the order of keys does not matter", () => {
    const entries = [
      [
        'id = "a"',
        'url = "ws://[::1]:1"',
        'auth_bearer_token = "t"',
        "connect_timeout_sec = 1",
        "skills.required = []",
      ],
      ['id = "b"', 'program = "p"', 'args = ["x"]', 'env.A = "1"', 'cwd = "w"', "initialize_timeout_sec = 2"],
    ] as const;
    const file = (top: string[], first: string[], second: string[]) =>
      [...top, entry(...first), entry(...second)].join("\n");
    const top = ['default = "b"', "include_local = false"];
    const expected = parse(file(top, [...entries[0]], [...entries[1]]));
    const shuffled = (lines: readonly string[]) =>
      fc.shuffledSubarray([...lines], { minLength: lines.length, maxLength: lines.length });
    fc.assert(
      fc.property(shuffled(top), shuffled(entries[0]), shuffled(entries[1]), (...parts) => {
        expect(parse(file(...parts))).toEqual(expected);
      }),
    );
  });

  test("no error or warning holds a secret, wherever it stands and however the file is broken", () => {
    const secret = "hunter2hunter2";
    const lines = [
      `# ${secret}`,
      `default = "${secret}"`,
      `"${secret}" = 1`,
      secret,
      `${secret} = 1`,
      "include_local = false",
      "[[environments]]",
      'id = "a"',
      `id = "${secret}"`,
      `id = "${secret}."`,
      'url = "ws://h"',
      `url = "ws://u:${secret}@h:99999"`,
      'url = "ws://127.0.0.1"',
      `program = "${secret}"`,
      `args = ["${secret}"]`,
      `args = ["${secret}", ${secret}]`,
      `auth_bearer_token = "${secret}"`,
      `auth_bearer_token = ${secret}`,
      `auth_bearer_token = "${secret}`,
      `auth_bearer_token = "${secret}\\n"`,
      `auth_bearer_token = "${secret}\\q"`,
      `auth_bearer_token = '''${secret}`,
      `auth_bearer_token = "" ${secret}`,
      "connect_timeout_sec = 0",
      `env = { ${secret} = 1 }`,
      `env = { A = "${secret}"`,
      `[environments.${secret}]`,
      `[environments.env.${secret}]`,
      `[${secret}`,
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...lines), { maxLength: 12 }),
        fc.nat(),
        fc.nat(20),
        (chosen, at, cut) => {
          const whole = chosen.join("\n");
          const start = whole.length === 0 ? 0 : at % whole.length;
          for (const text of [whole, whole.slice(0, start) + whole.slice(start + cut)]) {
            try {
              expect(parse(text).warnings.join("\n")).not.toContain("hunter");
            } catch (error) {
              if (!(error instanceof ExecServerError)) throw error;
              expect(`${error.message}\n${error.stack}`).not.toContain("hunter");
              expect(error.cause).toBeUndefined();
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
