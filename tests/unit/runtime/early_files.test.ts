import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileExists, fileText } from "../../../lib/runtime/early_files.ts";

let folder: string;
// Not beside the tests: where none of them is asked for, nobody would remove it.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-early-"));
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
