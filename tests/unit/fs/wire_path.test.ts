import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { normalized, pathText, splitPath, utf8Text, wirePath } from "../../../lib/fs/wire_path.ts";

const bytePath = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 8 }), { maxLength: 5 })
  .map(
    (names) =>
      `/${names.map((name) => Buffer.from(name).toString("latin1").replace(/[\0/]/g, "x")).join("/")}`,
  )
  .map(normalized)
  // Named like a drive, which is another system's.
  .filter((path) => !/^\/[A-Za-z]:(\/|$)/.test(path));

describe("paths of the wire", () => {
  test("any path is the same after it has been a URI", () => {
    fc.assert(
      fc.property(bytePath, (path) => {
        expect(wirePath(pathText(path, "uri"))).toEqual({ bytes: path, form: "uri" });
      }),
    );
  });

  test("any path that is UTF-8 is the same after it has been native, any other is told by a URI", () => {
    fc.assert(
      fc.property(bytePath, (path) => {
        const text = pathText(path, "native");
        expect(text.startsWith("file:")).toBe(utf8Text(path) === undefined);
        expect(wirePath(text).bytes).toBe(path);
      }),
    );
  });

  test("what is between two slashes is a name to a URI, and none to a path", () => {
    expect(wirePath("file:///a//../b").bytes).toBe("/a/b");
    expect(wirePath("/a//../b").bytes).toBe("/b");
  });

  test("the short way to read a URI comes to the same as the long one", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^(\/[a-z.:@~+]{0,4}){1,5}\/?$/), (path) => {
        const read = (uri: string): unknown => {
          try {
            return wirePath(uri);
          } catch (error) {
            return (error as Error).message.replace("FILE:", "file:");
          }
        };
        // Another letter case takes the long way.
        expect(read(`file://${path}`)).toEqual(read(`FILE://${path}`));
      }),
    );
  });

  test("a folder at the top that is named like a drive is that folder", () => {
    for (const [path, uri] of [
      ["/C:", "file:///C%3A"],
      ["/C:/x", "file:///C%3A/x"],
      ["/C|", "file:///C%7C"],
      ["/C|/x|", "file:///C%7C/x|"],
      ["/CC|/x", "file:///CC|/x"],
    ] as const) {
      expect([path, pathText(path, "uri"), wirePath(uri).bytes]).toEqual([path, uri, path]);
    }
    // As the peer reads it; a colon is another system's drive.
    expect(wirePath("file:///C|/x").bytes).toBe("/C|/x");
    expect(() => wirePath("file:///C:/x")).toThrow("'file:///C:/x' is invalid on 'linux'");
  });

  for (const [from, to] of [
    ["/", "/"],
    ["//", "/"],
    ["/a/", "/a"],
    ["/a//b", "/a/b"],
    ["/a/./b/.", "/a/b"],
    ["/a/../b", "/b"],
    ["/../../a", "/a"],
    ["/a/..", "/"],
    ["/.a/..b/...", "/.a/..b/..."],
  ]) {
    test(`${from} is ${to}`, () => expect(normalized(from!)).toBe(to!));
  }

  test("a path is its directory and its name", () => {
    expect(splitPath("/a/b")).toEqual({ directory: "/a", name: "b" });
    expect(splitPath("/a")).toEqual({ directory: "/", name: "a" });
    expect(splitPath("/")).toEqual({ directory: "/", name: "." });
  });
});
