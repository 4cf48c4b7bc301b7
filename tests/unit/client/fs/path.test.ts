import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  baseName,
  bytesOfText,
  fromWire,
  isAbsolute,
  joinPath,
  parentPath,
  textOfBytes,
  toWire,
} from "../../../../lib/client/fs/path.ts";

describe("paths on the wire", () => {
  test("are URIs or native, as the server wants them", () => {
    expect(toWire("/srv/sp ace%é", "uri")).toBe("file:///srv/sp%20ace%25%C3%A9");
    expect(toWire("/srv/sp ace%é", "native")).toBe("/srv/sp ace%é");
    expect(toWire(new URL("file:///srv/a%20b"), "native")).toBe("/srv/a b");
    expect(toWire(new URL("file:///srv/a%FF"), "uri")).toBe("file:///srv/a%FF");
    expect(toWire("/C:/x", "uri")).toBe("file:///C%3A/x");
    expect(toWire("C:\\x\\y z", "uri")).toBe("file:///C:/x/y%20z");
  });

  test("a byte that is not UTF-8 is a lone surrogate and comes back as the same byte", () => {
    expect(fromWire("file:///srv/a%FF%C3%A9%80b")).toBe("/srv/a\udcffé\udc80b");
    expect(toWire("/srv/a\udcffé\udc80b", "uri")).toBe("file:///srv/a%FF%C3%A9%80b");
    expect(() => toWire("/srv/a\udcff", "native")).toThrow("not UTF-8");
    expect(() => toWire("/srv/a\ud800", "uri")).toThrow("half of a surrogate pair");
  });

  test("every sequence of bytes has a string of its own", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = textOfBytes(bytes);
        expect([...bytesOfText(text)]).toEqual([...bytes]);
        if (bytes.includes(0)) return;
        const path = `/${text}`;
        expect([...bytesOfText(fromWire(toWire(path, "uri")))]).toEqual([0x2f, ...bytes]);
      }),
    );
    // Overlong, half of a pair and beyond the last character are bytes, not characters.
    expect(textOfBytes(Buffer.from([0xc0, 0x80]))).toBe("\udcc0\udc80");
    expect(textOfBytes(Buffer.from([0xed, 0xa0, 0x80]))).toBe("\udced\udca0\udc80");
    expect(textOfBytes(Buffer.from([0xf4, 0x90, 0x80, 0x80]))).toBe("\udcf4\udc90\udc80\udc80");
    expect(textOfBytes(Buffer.from("\ufeffa"))).toBe("\ufeffa");
  });

  test("what is no absolute path is refused before it is sent", () => {
    for (const path of ["", "a", "./a", "~/a", "C:a"])
      expect(() => toWire(path, "uri")).toThrow("absolute path");
    expect(() => toWire("/a\0b", "uri")).toThrow("NUL");
  });

  test("answers come in either form, with or without a host, escapes that are none as they are", () => {
    expect(fromWire("/srv/a b")).toBe("/srv/a b");
    expect(fromWire("file://localhost/srv")).toBe("/srv");
    expect(fromWire("file:///C:/x")).toBe("C:/x");
    expect(fromWire("file:///C%3A/x")).toBe("/C:/x");
    expect(fromWire("file:///a%zz/é")).toBe("/a%zz/é");
  });
});

test("names are taken off and put on", () => {
  expect([isAbsolute("/"), isAbsolute("C:\\"), isAbsolute("C:"), isAbsolute("x/")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([joinPath("/a", "b"), joinPath("/", "b"), joinPath("/a", "/b"), joinPath("/a", "")]).toEqual([
    "/a/b",
    "/b",
    "/b",
    "/a",
  ]);
  expect([baseName("/a/b"), baseName("/a/b//"), baseName("/"), baseName("C:\\x\\y")]).toEqual([
    "b",
    "b",
    "",
    "y",
  ]);
  expect([parentPath("/a/b"), parentPath("/a"), parentPath("/a/b/"), parentPath("/")]).toEqual([
    "/a",
    "/",
    "/a",
    "/",
  ]);
});
