import { describe, expect, test } from "bun:test";
import { parse as parseWithStd } from "@std/toml";
import fc from "fast-check";
import { positionAt, TomlSyntaxError } from "../../../lib/environments/toml_scanner.ts";
import { parseToml, type TomlValue } from "../../../lib/environments/toml_tree.ts";

/** The values of a tree without their places. Date-times, whose value it does not keep, become null. */
function plain(value: TomlValue): unknown {
  if (value.kind === "table") {
    return Object.fromEntries(Array.from(value.entries, ([key, entry]) => [key, plain(entry)]));
  }
  if (value.kind === "array") return value.items.map(plain);
  return value.kind === "date-time" ? null : value.value;
}

function parse(text: string): unknown {
  return plain(parseToml(text));
}

/** `line:column` of the syntax error in `text`. */
function placeOfError(text: string): string {
  try {
    parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlSyntaxError)) throw error;
    const { line, column } = positionAt(text, error.offset);
    return `${line}:${column}`;
  }
  throw new Error("The text was accepted");
}

describe("values", () => {
  test.each([
    ["basic string", '"a\\b\\t\\n\\f\\r\\e\\"\\\\\\x41\\u00e9\\U0001F600\'"', "a\b\t\n\f\r\x1b\"\\Aé😀'"],
    ["literal string", "'a\\n\"'", 'a\\n"'],
    ["multi-line basic string", '"""\r\na\r\n"b""c\\ \t\n  \r\n d\\""""', 'a\n"b""cd"'],
    ["multi-line basic string with five quotes at its end", '"""x"""""', 'x""'],
    ["multi-line literal string", "'''\na\\\r\n''b'''''", "a\\\n''b''"],
    ["empty strings", `["", '', """""", '''''']`, ["", "", "", ""]],
    ["booleans", "[true, false]", [true, false]],
    ["integers", "[0, -0, +1, 1_000, 0xFf_0, 0o7_7, 0b1_1]", [0, -0, 1, 1000, 0xff0, 0o77, 3]],
    [
      "floats",
      "[1.5, -1_0.2_5e+1_0, 1E-2, inf, -inf, +nan]",
      [1.5, -10.25e10, 0.01, Infinity, -Infinity, NaN],
    ],
    [
      "date-times",
      "[1979-05-27T07:32:00Z, 1979-05-27 07:32:00.5-07:00, 1979-05-27, 07:32 ]",
      [null, null, null, null],
    ],
    ["arrays", "[ # c\n 1\n, [\n]\n , ]", [1, []]],
    ["inline tables", "{ a.b = 1, # c\n 'c d' = {} , }", { a: { b: 1 }, "c d": {} }],
  ])("%s", (_, text, value) => {
    expect(parse(`x = ${text} # comment`)).toEqual({ x: value });
  });
});

describe("tables", () => {
  test.each([
    ["headers", "[a]\nx = 1\n[a.b]\n[ 'c' . \"d\" ]\n", { a: { x: 1, b: {} }, c: { d: {} } }],
    ["a header after a longer one", "[a.b]\n[a]\nx = 1", { a: { b: {}, x: 1 } }],
    [
      "arrays of tables",
      "[[a]]\n[a.b]\n[[a]]\n[a.b]\n[[a.c]]\n[[a.c]]",
      { a: [{ b: {} }, { b: {}, c: [{}, {}] }] },
    ],
    ["dotted keys", "a.b = 1\na.c.d = 2", { a: { b: 1, c: { d: 2 } } }],
    ["a header below what dotted keys began", "[f]\na.b = 1\n[f.a.c]", { f: { a: { b: 1, c: {} } } }],
    [
      "keys of Object.prototype",
      "__proto__.a = 1\n[constructor]\n[toString.x]",
      JSON.parse('{"__proto__":{"a":1},"constructor":{},"toString":{"x":{}}}'),
    ],
    ["an empty key", '"" = 1', { "": 1 }],
  ])("%s", (_, text, value) => {
    expect(JSON.stringify(parse(text))).toBe(JSON.stringify(value));
  });
});

describe("what is not TOML is refused at the place", () => {
  test.each([
    ["duplicate key", "a = 1\n a = 2", "2:2"],
    ["duplicate key, once quoted", 'a = 1\n"a" = 2', "2:1"],
    ["duplicate key inline", "a = {x = 1, x = 2}", "1:13"],
    ["duplicate table", "[a]\n[a]", "2:2"],
    ["duplicate table after a longer header", "[a.b]\n[a]\n[a]", "3:2"],
    ["table over an array of tables", "[[a]]\n[a]", "2:2"],
    ["array of tables over a table", "[a]\n[[a]]", "2:3"],
    ["array of tables over an array", "a = []\n[[a]]", "2:3"],
    ["table in an array", "a = [{}]\n[a.b]", "2:2"],
    ["table in an inline table", "a = {}\n[a.b]", "2:2"],
    ["table over dotted keys", "a.b = 1\n[a]", "2:2"],
    ["dotted key into a value", "a = 1\na.b = 2", "2:1"],
    ["dotted key into an inline table", "a = {}\na.b = 2", "2:1"],
    ["dotted key into a table with a header", "[a.b]\n[a]\nb.c = 1", "3:1"],
    ["dotted key into a passage", "[a.b.c]\n[a]\nb.d = 1", "3:1"],
    ["array of tables first defined as a table inside", "[a.b]\n[[a]]", "2:3"],
    ["two pairs on a line", "a = 1 b = 2", "1:7"],
    ["header and pair on a line", "[a] b = 1", "1:5"],
    ["no key", "= 1", "1:1"],
    ["no equals sign", "a\nb = 1", "1:2"],
    ["no value", "a =\n", "1:4"],
    ["value without quotes", "a = b", "1:5"],
    ["line end after the equals sign", "a =\n1", "1:4"],
    ["multi-line key", '"""a""" = 1', "1:1"],
    ["split brackets of a header", "[ [a] ]", "1:3"],
    ["split brackets at the end of a header", "[[a] ]", "1:4"],
    ["header not closed", "[a\nb = 1", "1:3"],
    ["header without a key", "[]", "1:2"],
    ["dot without a key", "a. = 1", "1:4"],
    ["string not closed in its line", 'a = "x\n"', "1:5"],
    ["string not closed at all", "\na = '''x", "2:5"],
    ["control character in a string", 'a = "x\u0001"', "1:7"],
    ["DEL in a string", "a = 'x\u007f'", "1:7"],
    ["NUL in a comment", "a = 1 # \u0000", "1:9"],
    ["lone CR in a comment", "# a\rb", "1:4"],
    ["lone CR between lines", "a = 1\rb = 2", "1:6"],
    ["lone CR in a multi-line string", 'a = """x\ry"""', "1:9"],
    ["no-break space", "a\u00a0= 1", "1:2"],
    ["byte order mark in the middle", "a = 1\n\ufeffb = 1", "2:1"],
    ["unknown escape", 'a = "x\\q"', "1:7"],
    ["short escape", 'a = "\\u00e"', "1:6"],
    ["escape of a surrogate", 'a = "\\uD83D"', "1:6"],
    ["escape beyond Unicode", 'a = "\\U00110000"', "1:6"],
    ["escaped line end in a one-line string", 'a = "x\\\n"', "1:7"],
    ["six quotes at the end", 'a = """x""""""', "1:14"],
    ["leading zero", "a = 01", "1:6"],
    ["point without digits before", "a = .5", "1:5"],
    ["point without digits after", "a = 5.", "1:6"],
    ["exponent without digits", "a = 1e", "1:6"],
    ["two underscores", "a = 1__0", "1:6"],
    ["radix in capitals", "a = 0XFF", "1:6"],
    ["sign before a radix", "a = -0x1", "1:7"],
    ["array not closed", "a = [1,\n", "2:1"],
    ["array without a comma", "a = [1 2]", "1:8"],
    ["array with a comma too many", "a = [1,,]", "1:8"],
    ["inline table not closed", "a = {b = 1", "1:11"],
    ["inline table with a comma first", "a = {,}", "1:6"],
  ])("%s", (_, text, place) => {
    expect(placeOfError(text)).toBe(place);
  });

  test("nesting of 80 is read, as by codex, and 81 or 100,000 are refused without an overflow of the stack", () => {
    const nested = (depth: number) => `x = ${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(() => parseToml(nested(80))).not.toThrow();
    expect(placeOfError(nested(81))).toBe("1:85");
    expect(placeOfError(nested(100_000))).toBe("1:85");
    expect(placeOfError(`x = ${"{a = ".repeat(100_000)}`)).toBe("1:405");
  });
});

describe("properties", () => {
  /** Pieces that make up a text which is often, but not always, TOML. */
  const piece = fc.constantFrom(
    ..."a b c.d \"e f\" 'g' x.y = = = [ ] [[ ]] { } , , . 1 -2 0x1f 1.5 1e3 true false inf".split(/ (?!f)/),
    ..."'' \"\\\\u0041\" '''\n''' \"\"\"\\\\\n  x\"\"\" # \n \n \n \r\n \t".split(/ /),
    "a = 1\n",
    "b.c = [1, 2]\n",
    "[a]\n",
    "[a.b]\n",
    "[[c]]\n",
    "[c.d]\n",
    "x = { y.z = 1 }\n",
    " ",
  );
  const text = fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join(""));

  test("Bun.TOML takes and refuses the same texts, and reads the same from them", () => {
    let accepted = 0;
    fc.assert(
      fc.property(text, (source) => {
        const [ours, theirs] = [parse, Bun.TOML.parse].map((read) => {
          try {
            return JSON.stringify(read(source));
          } catch {
            return "refused";
          }
        });
        if (ours !== "refused") accepted++;
        expect({ source, result: ours }).toEqual({ source, result: theirs });
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  test("any text is either read or refused with a TomlSyntaxError in it", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: "binary" })), (source) => {
        try {
          parseToml(source);
        } catch (error) {
          expect(error).toBeInstanceOf(TomlSyntaxError);
          const { offset } = error as TomlSyntaxError;
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset).toBeLessThanOrEqual(source.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("@std/toml reads the same where it knows the syntax", () => {
    const string = fc
      .string({ unit: "grapheme" })
      .map((value) => JSON.stringify(value).replaceAll("\u007f", "\\u007f"));
    const scalar = fc.oneof(string, fc.boolean().map(String), fc.integer().map(String));
    const value = fc.oneof(
      scalar,
      fc.array(scalar).map((items) => `[${items.join(", ")}]`),
    );
    const key = fc.stringMatching(/^[A-Za-z0-9_-]{2,8}$/).filter((name) => !(name in {}));
    const table = fc.dictionary(key, value).map((pairs) =>
      Object.entries(pairs)
        .map(([name, source]) => `${name} = ${source}\n`)
        .join(""),
    );
    fc.assert(
      fc.property(table, fc.array(table), (top, repeated) => {
        const source = `${top}${repeated.map((lines) => `[[t]]\n${lines}`).join("")}`;
        expect(parse(source)).toEqual({ ...parseWithStd(source) });
      }),
    );
  });
});
