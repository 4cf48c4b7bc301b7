/** Flags, where `parseArgs` alone would guess. */

import { describe, expect, test } from "bun:test";
import { type FlagSpec, HelpRequested, parseFlags, suggestion } from "../../../lib/flags/flags.ts";

const specs = {
  name: { type: "string", short: "e", value: "ID", help: "" },
  quiet: { type: "boolean", short: "n", help: "" },
  "no-noise": { type: "boolean", help: "" },
  loud: { type: "boolean", short: "l", help: "" },
  item: { type: "list", help: "" },
  size: { type: "number", value: "N", help: "" },
} as const satisfies Record<string, FlagSpec>;

const parse = (args: string[], stopAtWord = false) => parseFlags(args, specs, { stopAtWord });

describe("parseFlags", () => {
  test("without arguments switches are off, lists empty, the rest undefined", () => {
    const { flags, rest } = parse([]);
    expect({ ...flags }).toMatchObject({ name: undefined, quiet: false, item: [], size: undefined });
    expect(rest).toEqual([]);
  });

  test("values come behind a space or an equals sign, and keep what looks like more of either", () => {
    const { flags, rest } = parse(["-e", "x=y", "--item=a=b", "--item", "--odd", "--size", "2.5", "word"]);
    expect({ ...flags }).toMatchObject({ name: "x=y", item: ["a=b", "--odd"], size: 2.5 });
    expect(rest).toEqual(["word"]);
  });

  test("switches of one letter can stand together, and nothing else can", () => {
    expect(parse(["-nl", "x"])).toMatchObject({ flags: { quiet: true, loud: true }, rest: ["x"] });
    expect(() => parse(["-nx"])).toThrow('Unknown flag "-nx"');
    expect(() => parse(["-ne", "x"])).toThrow('Unknown flag "-ne"');
    expect(() => parse(["-nl=x"])).toThrow('Unknown flag "-nl"');
  });

  test("a switch never takes the next word, not even true or false", () => {
    expect(parse(["-n", "true"], true)).toMatchObject({ flags: { quiet: true }, rest: ["true"] });
    expect(parse(["--quiet", "false"])).toMatchObject({ flags: { quiet: true }, rest: ["false"] });
    expect(parse(["--no-noise"])).toMatchObject({ flags: { "no-noise": true } });
  });

  test("words stay as they are: numbers, empty ones, flags behind -- or behind the first word", () => {
    expect(parse(["007", "", "-"]).rest).toEqual(["007", "", "-"]);
    expect(parse(["--", "-n", "--"]).rest).toEqual(["-n", "--"]);
    expect(parse(["ls", "-n", "--", "x"], true)).toMatchObject({
      flags: { quiet: false },
      rest: ["ls", "-n", "--", "x"],
    });
    expect(parse(["-n", "--", "ls"], true).rest).toEqual(["ls"]);
  });

  test("an empty value is a value", () => {
    expect(parse(["--name", ""]).flags.name).toBe("");
    expect(parse(["--name="]).flags.name).toBe("");
  });

  const mistakes: [args: string[], text: string][] = [
    [["--nam", "x"], 'Unknown flag "--nam": did you mean "--name"?'],
    [["-x"], 'Unknown flag "-x"'],
    [["-name", "x"], 'Unknown flag "-name": did you mean "--name"?'],
    [["--constructor"], 'Unknown flag "--constructor"'],
    [["--name"], '"--name" needs a value: --name ID'],
    [["--name", "--"], '"--name" needs a value'],
    [["--quiet=no"], '"--quiet" takes no value'],
    [["--size", "many"], '"--size" has the value "many": expected a number from 0'],
    [["--size", "-1"], "expected a number from 0"],
    [["--size="], "expected a number from 0"],
  ];
  test.each(mistakes)("%j is refused", (args, text) => {
    expect(() => parse(args)).toThrow(text);
  });

  test("--help asks for help, unless it is the command's own", () => {
    expect(() => parse(["--help"])).toThrow(HelpRequested);
    expect(() => parse(["-h"])).toThrow(HelpRequested);
    expect(parse(["ls", "--help"], true).rest).toEqual(["ls", "--help"]);
  });
});

describe("suggestion()", () => {
  const known = ["http", "help", "cp", "ls", "serve"];
  const close: [given: string, named: string][] = [
    ["hlep", "help"],
    ["sl", "ls"],
    ["srv", "serve"],
    ["seerv", "serve"],
    ["-hepl", "--help"],
  ];
  test.each(close)("%j is close to %j", (given, named) => {
    expect(suggestion(given, known)).toBe(`: did you mean "${named}"?`);
  });

  test.each(["", "-", "-h", "x", "mv", "quit"])("%j is close to nothing", (given) => {
    expect(suggestion(given, known)).toBe("");
  });
});
