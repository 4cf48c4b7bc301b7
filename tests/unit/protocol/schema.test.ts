import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  anything,
  array,
  boolean,
  bytes,
  DecodeError,
  fileBytes,
  integer,
  nothing,
  nullable,
  nullish,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  string,
  u64,
  unsigned,
} from "../../../lib/protocol/schema.ts";

function refusalOf(schema: Schema<unknown>, value: unknown): DecodeError {
  try {
    schema.decode(value);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return error as DecodeError;
  }
  throw new Error(`Accepted ${JSON.stringify(value)}`);
}

describe("plain values", () => {
  const accepted: [string, Schema<unknown>, unknown[]][] = [
    ["string", string, ["", "a", "\0", "é"]],
    ["boolean", boolean, [true, false]],
    ["unsigned", unsigned, [0, 1, 2 ** 53, 2 ** 64]],
    ["integer", integer, [0, -1, 2 ** 40]],
    ["anything", anything, [1, "a", [], { a: null }]],
  ];
  for (const [name, schema, values] of accepted) {
    test(`${name} takes what it should, as it is`, () => {
      for (const value of values) {
        expect(schema.decode(value)).toBe(value);
        expect(schema.encode(value)).toBe(value);
      }
      expect(schema.plain).toBe(true);
    });
  }

  const refused: [string, Schema<unknown>, unknown, string][] = [
    ["a number as string", string, 5, "invalid type: integer `5`, expected a string"],
    ["a fraction as string", string, 1.5, "invalid type: floating point `1.5`, expected a string"],
    ["null as string", string, null, "invalid type: null, expected a string"],
    ["a list as string", string, [], "invalid type: sequence, expected a string"],
    ["an object as string", string, {}, "invalid type: map, expected a string"],
    ["nothing as string", string, undefined, "invalid type: nothing, expected a string"],
    ["a string as boolean", boolean, "true", "invalid type: string, expected a boolean"],
    ["a boolean as number", unsigned, true, "invalid type: boolean `true`, expected u64"],
    ["a negative number as unsigned", unsigned, -1, "invalid type: integer `-1`, expected u64"],
    ["a fraction as unsigned", unsigned, 0.5, "invalid type: floating point `0.5`, expected u64"],
    ["2^65 as unsigned", unsigned, 2 ** 65, "invalid type: integer `36893488147419103000`, expected u64"],
    ["a fraction as integer", integer, 0.5, "invalid type: floating point `0.5`, expected an integer"],
    ["a string as integer", integer, "1", "invalid type: string, expected an integer"],
    ["a string as list", array(string), "a", "invalid type: string, expected a sequence"],
    ["a list as map", record(string), ["a"], "invalid type: sequence, expected a map"],
    ["null as map", record(string), null, "invalid type: null, expected a map"],
    [
      "a list as object",
      object<{ a: string }>({ a: string }),
      [],
      "invalid type: sequence, expected an object",
    ],
  ];
  for (const [what, schema, value, message] of refused) {
    test(`${what} is refused with the words of the peer`, () => {
      const error = refusalOf(schema, value);
      expect(error.message).toBe(message);
      expect(error.path).toBe("");
    });
  }
});

describe("u64", () => {
  test("keeps all digits, and writes them as a number", () => {
    expect(u64.decode(5)).toBe(5);
    expect(u64.decode(2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    expect(JSON.stringify({ a: u64.encode(2n ** 64n - 1n), b: u64.encode(7) })).toBe(
      '{"a":18446744073709551615,"b":7}',
    );
    for (const value of [-1, 0.5, 2 ** 64, 2n ** 64n, -1n, "1"]) {
      expect(() => u64.decode(value)).toThrow("expected u64");
    }
  });

  test("a counter reads as a number what came as a bigint", () => {
    expect(unsigned.decode(2n ** 60n)).toBe(2 ** 60);
  });
});

describe("nothing", () => {
  test("absent, null and an empty object are nothing", () => {
    for (const value of [undefined, null, {}]) expect(nothing.decode(value)).toBeNull();
  });

  test("members, lists and texts are not", () => {
    expect(refusalOf(nothing, { a: 1 }).message).toBe("invalid type: map, expected unit");
    expect(refusalOf(nothing, []).message).toBe("invalid type: sequence, expected unit");
    expect(refusalOf(nothing, "").message).toBe("invalid type: string, expected unit");
  });
});

describe("one of some words", () => {
  const schema = oneOf("stdout", "stderr");

  test("the words pass, exactly as they are written", () => {
    expect(schema.decode("stdout")).toBe("stdout");
    expect(refusalOf(schema, "STDOUT").message).toBe(
      "unknown variant `STDOUT`, expected `stdout` or `stderr`",
    );
  });

  test("what is no text names the words too", () => {
    expect(refusalOf(schema, 1).message).toBe("invalid type: integer `1`, expected `stdout` or `stderr`");
  });

  test("a long wrong word is cut in the error", () => {
    expect(refusalOf(schema, "x".repeat(5000)).message.length).toBeLessThan(200);
  });

  test("names of Object.prototype are no words", () => {
    for (const word of ["constructor", "__proto__", "toString"]) refusalOf(schema, word);
  });
});

describe("bytes", () => {
  test("any bytes come back from their base64, and the text is what Node writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (value) => {
        const text = bytes.encode(value);
        expect(text).toBe(Buffer.from(value).toString("base64"));
        expect(bytes.decode(text)).toEqual(value);
      }),
    );
  });

  const wrong: [string, string, string][] = [
    ["no padding", "YQ", "Invalid padding"],
    ["half the padding", "YQ=", "Invalid padding"],
    ["too much padding", "YQ===", "Invalid symbol 61, offset 2."],
    ["padding in the middle", "YQ==YQ==", "Invalid symbol 61, offset 2."],
    ["the url-safe alphabet", "_-8=", "Invalid symbol 95, offset 0."],
    ["a space", "YW Jj", "Invalid symbol 32, offset 2."],
    ["a line break at the end", "YWJj\n", "Invalid symbol 10, offset 4."],
    ["a tab", "\tYWJj", "Invalid symbol 9, offset 0."],
    ["stray trailing bits", "YR==", "Invalid last symbol 82, offset 1."],
    ["stray trailing bits before one pad", "YWL=", "Invalid last symbol 76, offset 2."],
    ["one character", "Y", "Invalid input length: 1"],
    ["five characters", "YWJjY", "Invalid input length: 5"],
    ["other characters", "Y!Jj", "Invalid symbol 33, offset 1."],
    ["padding alone", "====", "Invalid symbol 61, offset 0."],
  ];
  for (const [what, text, fault] of wrong) {
    test(`base64 with ${what} is refused in the words of the peer`, () => {
      expect(refusalOf(bytes, text).message).toBe(fault);
    });
  }

  test("bytes that came raw pass as they are", () => {
    const raw = new Uint8Array([1, 2]);
    expect(bytes.decode(raw)).toBe(raw);
  });

  test("a file to write has words and a code of its own", () => {
    const error = refusalOf(object<{ dataBase64: Uint8Array }>({ dataBase64: fileBytes }), {
      dataBase64: "YQ",
    });
    expect(error.message).toBe("fs/writeFile requires valid base64 dataBase64: Invalid padding");
    expect(error.rpcCode).toBe(-32600);
  });

  test("the empty text is no bytes, and `+` and `/` are the alphabet", () => {
    expect(bytes.decode("")).toEqual(new Uint8Array(0));
    expect(bytes.decode("+/8=")).toEqual(new Uint8Array([0xfb, 0xff]));
  });

  test("what is no text is refused as such", () => {
    expect(refusalOf(bytes, [1]).message).toBe("invalid type: sequence, expected a string");
  });
});

describe("objects", () => {
  interface Thing {
    name: string;
    count?: number;
    note?: string;
    code: number | null;
  }
  const thing = object<Thing>({
    name: string,
    count: optional(unsigned),
    note: nullish(string),
    code: nullable(integer),
  });

  test("members that are not known are left out", () => {
    expect(thing.decode({ name: "a", code: 1, extra: true })).toEqual({ name: "a", code: 1 });
  });

  test("a missing member is named", () => {
    expect(refusalOf(thing, { code: 1 }).message).toBe("missing field `name`");
  });

  test("null does not count as missing where it is not allowed", () => {
    expect(refusalOf(thing, { name: null, code: 1 }).message).toBe(
      "name: invalid type: null, expected a string",
    );
  });

  test("an optional member may be absent but not null", () => {
    expect(thing.decode({ name: "a", code: 1 })).not.toHaveProperty("count");
    expect(refusalOf(thing, { name: "a", code: 1, count: null }).message).toBe(
      "count: invalid type: null, expected u64",
    );
  });

  test("a nullish member may be absent or null, and is absent then", () => {
    expect(thing.decode({ name: "a", code: 1, note: null })).not.toHaveProperty("note");
    expect(thing.decode({ name: "a", code: 1 })).not.toHaveProperty("note");
    expect(thing.decode({ name: "a", code: 1, note: "" }).note).toBe("");
  });

  test("a nullable member is null when it is absent", () => {
    expect(thing.decode({ name: "a" }).code).toBeNull();
    expect(thing.decode({ name: "a", code: null }).code).toBeNull();
    expect(thing.decode({ name: "a", code: 3 }).code).toBe(3);
  });

  test("the place of an error is told through objects, lists and maps", () => {
    const deep = object<{ a: { list: { map: Record<string, number> }[] } }>({
      a: object<{ list: { map: Record<string, number> }[] }>({
        list: array(object<{ map: Record<string, number> }>({ map: record(unsigned) })),
      }),
    });
    const error = refusalOf(deep, { a: { list: [{ map: {} }, { map: { ok: 1, "x y": "no" } }] } });
    expect(error.path).toBe('a.list[1].map["x y"]');
    expect(error.reason).toBe("invalid type: string, expected u64");
    expect(error.message).toBe('a.list[1].map["x y"]: invalid type: string, expected u64');
  });

  test("bytes are encoded wherever they are, and all else is left alone", () => {
    const nested = object<{
      parts: { data: Uint8Array; n: number }[];
      last?: Uint8Array;
      no: null | Uint8Array;
    }>({
      parts: array(object<{ data: Uint8Array; n: number }>({ data: bytes, n: unsigned })),
      last: optional(bytes),
      no: nullable(bytes),
    });
    const value = { parts: [{ data: new Uint8Array([97]), n: 1 }], last: new Uint8Array([98]), no: null };
    expect(nested.encode(value)).toEqual({ parts: [{ data: "YQ==", n: 1 }], last: "Yg==", no: null });
    expect(nested.decode(nested.encode(value))).toEqual(value);
    expect(nested.plain).toBe(false);
  });

  test("an object without bytes is its own wire form", () => {
    const value = { name: "a", code: null };
    expect(thing.plain).toBe(true);
    expect(thing.encode(value)).toBe(value);
  });
});

describe("maps", () => {
  test("the name `__proto__` is a name like any other", () => {
    const decoded = record(string).decode(JSON.parse('{"__proto__":"a","constructor":"b"}'));
    expect(Object.getPrototypeOf(decoded)).toBeNull();
    expect(Object.entries(decoded)).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  test("a name that was not given is not found", () => {
    expect(record(string).decode({}).toString).toBeUndefined();
  });

  test("bytes in a map are encoded under their names, `__proto__` among them", () => {
    const value = record(bytes).decode(JSON.parse('{"__proto__":"YQ==","b":""}'));
    expect(JSON.stringify(record(bytes).encode(value))).toBe('{"__proto__":"YQ==","b":""}');
  });

  test("any map of texts comes back through its wire form", () => {
    const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "hasOwnProperty"));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (entries) => {
        const wire = JSON.stringify(Object.fromEntries(entries));
        const decoded = record(string).decode(JSON.parse(wire));
        expect(JSON.stringify(record(string).encode(decoded))).toBe(wire);
      }),
    );
  });
});
