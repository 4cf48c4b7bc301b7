import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileExists, fileText, linkTarget, NewFile, removeFile } from "../../../lib/runtime/small_files.ts";

let folder: string;
// Not beside the tests: where none of them is asked for, nobody would remove it.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-small-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("files that are looked at early", () => {
  test("are read whole: beyond one piece, in characters of several bytes, of /proc and empty", () => {
    const text = "é€😀".repeat(3000);
    writeFileSync(join(folder, "long ü"), text);
    writeFileSync(join(folder, "empty"), "");
    expect(fileText(join(folder, "long ü"))).toBe(text);
    expect(fileText(join(folder, "empty"))).toBe("");
    expect(fileText("/proc/version")).toBe(readFileSync("/proc/version", "utf8"));
  });

  test("are there when what they lead to is", () => {
    symlinkSync("long ü", join(folder, "link"));
    symlinkSync("nothing", join(folder, "broken"));
    const there = ["", "long ü", "link", "empty", "broken", "none"].map((name) =>
      fileExists(join(folder, name)),
    );
    expect(there).toEqual([true, true, true, true, false, false]);
  });

  test("are an error where they cannot be read", () => {
    expect(() => fileText(join(folder, "none"))).toThrow("none");
    expect(() => fileText(folder)).toThrow(folder);
  });
});

describe("a new file", () => {
  const make = (name: string): NewFile => new NewFile(join(folder, name));

  test("is ours alone, grows at its end, and tells how many bytes it has got", () => {
    const file = make("new ü");
    expect(file.append("one €\n")).toBe(8);
    expect(file.append("")).toBe(0);
    const long = "x".repeat(100_000);
    expect(file.append(long)).toBe(100_000);
    file.close();
    expect(readFileSync(file.path, "utf8")).toBe(`one €\n${long}`);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
  });

  test("is not made where there is one, which stays as it is", () => {
    writeFileSync(join(folder, "there"), "old");
    expect(() => make("there")).toThrow("there");
    expect(() => make("no folder/file")).toThrow("no folder");
    expect(readFileSync(join(folder, "there"), "utf8")).toBe("old");
  });

  test("says so when there is no room", () => {
    const file = make("closed");
    file.close();
    expect(() => file.append("x")).toThrow("closed");
  });

  test("takes the place of another", () => {
    const [old, next] = [make("old"), make("next")];
    old.append("before");
    next.append("after");
    next.moveTo(old.path);
    next.append(" and more");
    for (const file of [old, next]) file.close();
    expect(next.path).toBe(old.path);
    expect(readFileSync(old.path, "utf8")).toBe("after and more");
    expect(existsSync(join(folder, "next"))).toBe(false);
    expect(() => next.moveTo(join(folder, "no folder", "x"))).toThrow("no folder");
    expect(next.path).toBe(old.path);
  });

  test("is removed, and nothing happens where there is none", () => {
    const file = make("gone");
    file.close();
    for (let i = 0; i < 2; i++) removeFile(file.path);
    expect(existsSync(file.path)).toBe(false);
  });
});

describe("what a link says", () => {
  test("is told as it is written, broken or not; a file is none", () => {
    symlinkSync("nowhere/é", join(folder, "points"));
    expect(linkTarget(join(folder, "points"))).toBe("nowhere/é");
    expect(() => linkTarget(folder)).toThrow(folder);
  });
});
