import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  errorText,
  MalformedMessage,
  notificationText,
  parseMessage,
  requestText,
  resultText,
} from "../../../lib/jsonrpc/message.ts";

/** What the text is refused with. */
function faultOf(text: string): string {
  try {
    parseMessage(text);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedMessage);
    return (error as Error).message;
  }
  throw new Error(`Accepted ${text.slice(0, 100)}`);
}

function idOf(text: string): unknown {
  const message = parseMessage(text);
  if (message.kind === "notification") throw new Error("It has no id");
  return message.id;
}

describe("the four kinds", () => {
  test("are told apart", () => {
    expect(parseMessage('{"id":7,"method":"m","params":{"a":1}}')).toEqual({
      kind: "request",
      id: 7,
      method: "m",
      params: { a: 1 },
    });
    expect(parseMessage('{"method":"m"}')).toEqual({ kind: "notification", method: "m", params: undefined });
    expect(parseMessage('{"id":7,"result":null}')).toEqual({ kind: "result", id: 7, result: null });
    expect(parseMessage('{"error":{"code":-1,"message":"x","data":[1]},"id":"a"}')).toEqual({
      kind: "error",
      id: "a",
      error: { code: -1, message: "x", data: [1] },
    });
  });

  test("what else is in the message is ignored, `jsonrpc` above all", () => {
    expect(parseMessage('{"jsonrpc":"1.0","id":1,"method":"m","x":[]}').kind).toBe("request");
  });

  test("what we write is read back, and has no `jsonrpc`", () => {
    expect(requestText(1, "a/b", { c: 1 })).toBe('{"id":1,"method":"a/b","params":{"c":1}}');
    expect(requestText(1, "a/b", undefined)).toBe('{"id":1,"method":"a/b"}');
    expect(notificationText('a"b', null)).toBe('{"method":"a\\"b","params":null}');
    expect(notificationText("a", undefined)).toBe('{"method":"a"}');
    expect(resultText("7", [])).toBe('{"id":"7","result":[]}');
    expect(resultText(2n ** 63n - 1n, {})).toBe('{"id":9223372036854775807,"result":{}}');
    expect(errorText(-1, { code: -32600, message: "m" })).toBe(
      '{"id":-1,"error":{"code":-32600,"message":"m"}}',
    );
  });

  const none = ['{"id":1}', '{"id":1,"error":{"code":"x","message":"m"}}', '{"id":1,"error":null}', "{}"];
  none.push(
    '{"method":5}',
    '{"id":1,"method":null}',
    '{"result":1}',
    '{"id":1,"error":{"code":1.5,"message":""}}',
  );
  for (const text of none) {
    test(`${text} is none of them`, () => {
      expect(faultOf(text)).toBe("neither a request, nor a notification, nor an answer");
    });
  }
});

describe("what is no message", () => {
  for (const text of ["", " ", "{", "NaN", "\ufeff{}", '{"a":1}{"b":2}', "{'a':1}", "undefined"]) {
    test(`${JSON.stringify(text)} is no JSON`, () => expect(faultOf(text)).toBe("invalid JSON"));
  }

  for (const text of ["5", "null", '"x"', "[]", "true", '[{"id":1,"method":"m"}]']) {
    test(`${text} is no object`, () => expect(faultOf(text)).toBe("expected a JSON-RPC object"));
  }

  test("a trace must be an object or null", () => {
    for (const trace of ["{}", "null", '{"traceparent":"x"}']) {
      expect(parseMessage(`{"id":1,"method":"m","trace":${trace}}`).kind).toBe("request");
    }
    for (const trace of ["1", '"x"', "[]", "true"]) {
      expect(faultOf(`{"id":1,"method":"m","trace":${trace}}`)).toBe("`trace` must be an object or null");
    }
  });
});

describe("ids", () => {
  const kept: [string, unknown][] = [
    ["1", 1],
    ["0", 0],
    ["-5", -5],
    ['""', ""],
    ['"1"', "1"],
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
  ];
  for (const [text, id] of kept) {
    test(`${text} is kept with type and digits, wherever it stands`, () => {
      expect(idOf(`{"id":${text},"method":"m"}`)).toBe(id);
      expect(idOf(`{"method":"m","params":{"id":3},"id" : ${text} }`)).toBe(id);
      expect(idOf(`{"result":{"a":[{"id":4}]},"\\u0069d":${text}}`)).toBe(id);
    });
  }

  for (const text of ["null", "1.0", "1e2", "1.5", "true", "[]", "{}", "-0.0", "1E400"]) {
    test(`${text} is no id`, () => {
      expect(faultOf(`{"id":${text},"method":"m"}`)).toBe("`id` must be a string or an integer");
    });
  }

  for (const text of ["9223372036854775808", "-9223372036854775809", "1".repeat(90)]) {
    test(`${text.slice(0, 20)} does not fit 64 bits`, () => {
      expect(faultOf(`{"id":${text},"method":"m"}`)).toBe("`id` must fit 64 bits");
    });
  }

  test("of several the last counts, with all its digits", () => {
    expect(idOf('{"id":1,"id":9007199254740993,"method":"m"}')).toBe(9007199254740993n);
    expect(faultOf('{"id":1,"id":2.5,"method":"m"}')).toBe("`id` must be a string or an integer");
  });

  test("texts that look like ids do not mislead", () => {
    const id = "9007199254740993";
    expect(idOf(`{"method":"\\"id\\":5","params":["id",{"id":6},"{"],"id":${id}}`)).toBe(9007199254740993n);
  });

  test("quotes and backslashes within a text do not end it", () => {
    const id = "9007199254740993";
    for (const method of ['a\\"{', "a\\\\", 'a\\\\\\"}', '\\",\\"id\\":5,\\"x']) {
      expect(idOf(`{"method":"${method}","id":${id}}`)).toBe(9007199254740993n);
    }
  });

  test("an id behind a long parameter is found", () => {
    const chunk = "A".repeat(8 * 1024 * 1024);
    expect(idOf(`{"method":"m","params":{"chunk":"${chunk}"},"id":9007199254740993}`)).toBe(
      9007199254740993n,
    );
  });

  test("any integer of 64 bits is echoed with its digits", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.boolean(), (id, first) => {
        const text = first ? `{"id":${id},"method":"m"}` : `{"method":"m","id":${id}}`;
        expect(resultText(idOf(text) as bigint, 1)).toBe(`{"id":${id},"result":1}`);
      }),
    );
  });

  test("any text is echoed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (id) => {
        expect(idOf(JSON.stringify({ id, method: "m" }))).toBe(id);
        expect(JSON.parse(resultText(id, 1)).id).toBe(id);
      }),
    );
  });
});

describe("limits", () => {
  const nested = (levels: number): string =>
    `{"id":1,"method":"m","params":${"[".repeat(levels)}${"]".repeat(levels)}}`;

  test("126 levels inside the message pass, 127 do not", () => {
    expect(parseMessage(nested(126)).kind).toBe("request");
    expect(faultOf(nested(127))).toBe("recursion limit exceeded");
    expect(faultOf(nested(100_000))).toMatch(/recursion limit exceeded/);
  });

  test("262140 elements pass, 262144 do not", () => {
    const many = (count: number): string => `{"id":1,"method":"m","params":[${"0,".repeat(count - 1)}0]}`;
    expect(parseMessage(many(262_140)).kind).toBe("request");
    expect(faultOf(many(262_144))).toBe("JSON-RPC message exceeds the limit of 262144 JSON values");
  });

  test("an answer may hold any number, as somebody waits for it", () => {
    const many = `[${"0,".repeat(300_000)}0]`;
    expect(parseMessage(`{"id":1,"result":${many}}`).kind).toBe("result");
    expect(faultOf(`{"id":1,"method":"m","result":${many}}`)).toMatch(/exceeds the limit/);
  });

  test("what is no request may be of any depth beside integers that would lose digits", () => {
    const params = `"params":{"a":9007199254740993,"b":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    expect(parseMessage(`{"id":1,"result":0,${params}}`)).toEqual({ kind: "result", id: 1, result: 0 });
    const error = { code: 1, message: "" };
    expect(parseMessage(`{"id":1,"error":${JSON.stringify(error)},${params}}`).kind).toBe("error");
    expect(faultOf(`{"id":1,"method":"m",${params}}`)).toBe("recursion limit exceeded");
    expect(faultOf(`{"id":1,${params}}`)).toMatch(/^neither/);
  });

  test("values are counted in maps and over all levels", () => {
    const rows = Array.from({ length: 600 }, () =>
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [i, i])),
    );
    expect(faultOf(JSON.stringify({ method: "m", params: rows }))).toMatch(/exceeds the limit/);
  });
});
