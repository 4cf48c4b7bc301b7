/**
 * Why lib/environments/toml_tree.ts exists: what `@std/toml` does with files that `environments.toml` can be, beside
 * what ours does. codex 0.138.0 and 0.169.0 were given most of them, and side with ours each time. Should a row go
 * red after an update, `@std/toml` got better: look again whether it could do the job.
 */

import { describe, expect, test } from "bun:test";
import { parse as parseWithStd } from "@std/toml";
import { parseEnvironmentsToml } from "../../../lib/environments/toml.ts";
import { parseToml } from "../../../lib/environments/toml_tree.ts";

const program = '[[environments]]\nid = "a"\nprogram = "p"\n';

/** What our reader makes of the first environment's transport. */
function transportOf(text: string): object {
  return parseEnvironmentsToml(text, { path: "/h/environments.toml", dir: "/h" }).environments[0]!.transport;
}

describe("@std/toml takes what is not TOML, and ours does not", () => {
  test.each([
    ["a duplicate key, where the last one wins", 'a = "first"\na = "second"', { a: "second" }],
    ["a duplicate key in an inline table", "a = {x = 1, x = 2}", { a: { x: 2 } }],
    ["a dotted key over a value", "a = 1\na.b = 2", { a: { b: 2 } }],
    ["a header that extends an inline table", "a = {x = 1}\n[a.b]\ny = 1", { a: { x: 1, b: { y: 1 } } }],
    ["[[header]] that extends an array", "a = [1]\n[[a]]\nx = 1", { a: [1, { x: 1 }] }],
    ["two pairs on one line", "a = 1 b = 2", { a: 1, b: 2 }],
    ["a pair on the line of a header", "[a] x = 1", { a: { x: 1 } }],
    ["a control character in a string", 'a = "x\u0001"', { a: "x\u0001" }],
    ["a control character in a comment", "a = 1 # \u0001", { a: 1 }],
    ["a lone CR in a string", 'a = "x\ry"', { a: "x\ry" }],
    ["an escape of half a character", 'a = "\\ud800"', { a: "\ud800" }],
    ["a radix in capitals", "a = 0XFF", { a: 255 }],
  ])("%s", (_, text, std) => {
    expect(JSON.stringify(parseWithStd(text))).toBe(JSON.stringify(std));
    expect(() => parseToml(text)).toThrow();
  });
});

describe("@std/toml refuses what codex reads, and ours does not", () => {
  test.each([
    ["a byte order mark", `\ufeff${program}`, {}],
    ["a last comma in an inline table", `${program}env = { A = "1", }`, { env: { A: "1" } }],
    ["an inline table over several lines", `${program}env = {\n  A = "1"\n}`, { env: { A: "1" } }],
    ["a hexadecimal escape of TOML 1.1", `${program}args = ["\\x41"]`, { args: ["A"] }],
    ["five quotes at the end", `${program}args = ["""x"""""]`, { args: ['x""'] }],
    [
      "blanks after the backslash of an escaped line end",
      `${program}args = ["""x\\ \n y"""]`,
      { args: ["xy"] },
    ],
  ])("%s", (_, text, transport) => {
    expect(() => parseWithStd(text)).toThrow();
    expect(transportOf(text)).toMatchObject(transport);
  });
});

describe("@std/toml reads something else than the file says, and ours does not", () => {
  test("six digits of the eight in \\U", () => {
    const text = `${program}args = ["\\U0001F600"]`;
    expect(parseWithStd(text).environments).toMatchObject([{ args: ["\u01f600"] }]);
    expect(transportOf(text)).toMatchObject({ args: ["😀"] });
  });

  test("nothing of a variable called __proto__", () => {
    const text = `${program}[environments.env]\n__proto__ = "x"\nA = "1"`;
    const [environment] = parseWithStd(text).environments as [{ env: object }];
    expect(Object.keys(environment.env)).toEqual(["A"]);
    expect(Object.keys((transportOf(text) as { env: object }).env)).toEqual(["__proto__", "A"]);
  });

  test("a key called __proto__ passes unseen, where every unknown key must be refused", () => {
    expect(Object.keys(parseWithStd("__proto__ = 1"))).toEqual([]);
    expect(() => transportOf(`__proto__ = 1\n${program}`)).toThrow("unknown key");
  });

  test("a table called constructor below another is no table, but a fault or a function", () => {
    const text = "[a.b]\nx = 1\n[a.constructor]\ny = 1";
    expect(() => parseWithStd(text)).toThrow("Unexpected assign");
    expect(() => parseToml(text)).not.toThrow();
  });
});

describe("@std/toml quotes the file in its errors, and ours does not", () => {
  test.each([
    ["a token without quotes", "auth_bearer_token = hunter2"],
    ["a token without its closing quote", 'auth_bearer_token = "hunter2'],
  ])("%s", (_, line) => {
    const text = `[[environments]]\nid = "a"\nurl = "wss://h"\n${line}`;
    const messageOf = (read: () => unknown): string => {
      try {
        read();
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error("The text was accepted");
    };
    expect(messageOf(() => parseWithStd(text))).toContain("hunter2");
    const ours = messageOf(() => transportOf(text));
    expect(ours).toStartWith('Cannot use "/h/environments.toml": line 4, column 21: ');
    expect(ours).not.toContain("hunter2");
  });
});
