import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { pathFromWire, pathToUri } from "../../../lib/protocol/path_uri.ts";
import { DecodeError } from "../../../lib/protocol/schema.ts";

describe("a path of the wire", () => {
  const taken: [string, string][] = [
    ["/srv/app", "/srv/app"],
    ["/", "/"],
    // A native path is taken as it is, whatever it looks like.
    ["/a%20b/../c?d#e", "/a%20b/../c?d#e"],
    ["C:\\Users\\a", "C:\\Users\\a"],
    ["C:/Users/a", "C:/Users/a"],
    ["file:///srv/app", "/srv/app"],
    ["file:/srv/app", "/srv/app"],
    ["FILE:///srv/app", "/srv/app"],
    ["file://localhost/srv/app", "/srv/app"],
    ["file:///srv/a/../b/./c", "/srv/b/c"],
    ["file:///a%20b%2Fc", "/a b/c"],
    ["file:///%C3%A9", "/é"],
    ["file:///a%00b", "/a\0b"],
    ["file:///C:/Users/a", "C:/Users/a"],
    ["file:///", "/"],
  ];
  for (const [wire, native] of taken) {
    test(`${wire} is ${JSON.stringify(native)}`, () => expect(pathFromWire(wire)).toBe(native));
  }

  const refused: [string, string][] = [
    ["", "invalid path: expected an absolute path or a `file:` URI"],
    ["a/b", "invalid path: expected an absolute path or a `file:` URI"],
    ["./a", "invalid path: expected an absolute path or a `file:` URI"],
    ["..", "invalid path: expected an absolute path or a `file:` URI"],
    [" /a", "invalid path: expected an absolute path or a `file:` URI"],
    ["a b:c", "invalid path: expected an absolute path or a `file:` URI"],
    ["http://h/a", "unsupported path URI scheme `http`"],
    ["HTTP://h/a", "unsupported path URI scheme `http`"],
    ["C:a", "unsupported path URI scheme `c`"],
    ["file://h/a", "invalid path URI: expected no host or `localhost`"],
    ["file://127.0.0.1/a", "invalid path URI: expected no host or `localhost`"],
    ["file://[/a", "invalid URI"],
    ["file:///%FF", "invalid path URI: the percent-encoding is not UTF-8"],
  ];
  for (const [wire, message] of refused) {
    test(`${JSON.stringify(wire)} is refused`, () => {
      expect(() => pathFromWire(wire)).toThrow(new DecodeError(message));
    });
  }
});

describe("the URI of a path", () => {
  const written: [string, string][] = [
    ["/a b é #1 50%25 q?[x]", "file:///a%20b%20%C3%A9%20%231%2050%2525%20q%3F[x]"],
    ["/srv/app", "file:///srv/app"],
    ["/", "file:///"],
    ["/a:b@c$d&e+f,g;h=i", "file:///a:b@c$d&e+f,g;h=i"],
    ["/a\\b", "file:///a%5Cb"],
    ["C:\\Users\\a b", "file:///C:/Users/a%20b"],
    // A POSIX folder of that name, not a drive.
    ["/C:/x", "file:///C%3A/x"],
  ];
  for (const [native, uri] of written) {
    test(`${native} is written ${uri}`, () => expect(pathToUri(native)).toBe(uri));
  }

  const name = fc
    .oneof(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.string({ unit: fc.constantFrom(..."%[]:?#/\\ .~|C25\t\n"), minLength: 1 }),
    )
    .map((part) => part.replaceAll("/", "_"))
    // These two are steps, which a URI resolves.
    .filter((part) => part !== "." && part !== "..");

  test("any absolute path comes back from its URI", () => {
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const path = `/${names.join("/")}`;
        expect(pathFromWire(pathToUri(path))).toBe(path);
      }),
      { numRuns: 500 },
    );
  });

  test("any URI is one that Node's own reader understands the same way", () => {
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const path = `/${names.join("/")}`;
        // Node refuses what is not a name: NUL.
        fc.pre(!path.includes("\0"));
        expect(fileURLToPath(pathToUri(path))).toBe(path);
      }),
      { numRuns: 200 },
    );
  });

  test("a URI is ASCII without spaces", () => {
    fc.assert(
      fc.property(fc.array(name), (names) => {
        expect(pathToUri(`/${names.join("/")}`)).toMatch(/^file:\/\/\/[\x21-\x7e]*$/);
      }),
    );
  });
});
