import { describe, expect, test } from "bun:test";
import type { FileSystem } from "../../../lib/client/fs/file_system.ts";
import { Places } from "../../../lib/files/places.ts";
import { herePlace, locate, locationText, type Place, parseTarget } from "../../../lib/files/target.ts";
import { ExecServerError } from "../../../lib/protocol/errors.ts";

describe("ENV:path", () => {
  const cases: [text: string, environment: string | null, path: string][] = [
    ["lab:/srv/a", "lab", "/srv/a"],
    ["lab:a/b:c", "lab", "a/b:c"],
    ["lab:", "lab", ""],
    [":/srv", "", "/srv"],
    [":", "", ""],
    ["C:x", "C", "x"],
    ["C:\\x", "C", "\\x"],
    ["my-box_2:~/x", "my-box_2", "~/x"],
    ["/srv/a:b", null, "/srv/a:b"],
    ["./a:b", null, "./a:b"],
    ["notes.txt:1", null, "notes.txt:1"],
    ["a b:c", null, "a b:c"],
    ["plain", null, "plain"],
    ["lab:a\nb", "lab", "a\nb"],
  ];
  test.each(cases)("%j", (text, environment, path) => {
    expect(parseTarget(text)).toEqual({ environment, path, text });
  });

  test("on Windows a letter before a slash is a drive", () => {
    expect(parseTarget("C:\\x", true).environment).toBeNull();
    expect(parseTarget("C:/x", true).environment).toBeNull();
    expect(parseTarget("C:x", true).environment).toBe("C");
    expect(parseTarget("lab:/x", true).environment).toBe("lab");
  });

  test("an empty word is a mistake", () => {
    expect(() => parseTarget("")).toThrow("expected PATH or ENV:PATH");
  });
});

describe("relative paths", () => {
  const there: Place = {
    id: "lab",
    fs: {} as FileSystem,
    folder: async () => "/srv/app",
    home: async () => "/home/u",
  };
  const cases: [path: string, absolute: string, isFolder: boolean][] = [
    ["/x", "/x", false],
    ["/x/", "/x/", true],
    ["a", "/srv/app/a", false],
    ["a/..", "/srv/app/a/..", true],
    [".", "/srv/app/.", true],
    ["", "/srv/app/.", true],
    ["~", "/home/u", true],
    ["~/", "/home/u", true],
    ["~/a", "/home/u/a", false],
    ["./~", "/srv/app/./~", false],
    ["a~", "/srv/app/a~", false],
    ["...", "/srv/app/...", false],
  ];
  test.each(cases)("%j", async (path, absolute, isFolder) => {
    expect(await locate(there, path)).toEqual({ place: there, path: absolute, isFolder });
  });

  test("other users' homes are not guessed, and on this machine the shell has done it", async () => {
    await expect(locate(there, "~bob/x")).rejects.toThrow('"./~bob/x" is a file of that name');
    const here = herePlace({} as FileSystem, "/cwd");
    expect((await locate(here, "~")).path).toBe("/cwd/~");
    expect(locationText(await locate(here, "a"))).toBe("/cwd/a");
    expect(locationText(await locate(there, "a"))).toBe("lab:/srv/app/a");
  });
});

describe("places of one command line", () => {
  const environment = (id: string): { id: string; fs: FileSystem; client(): never } => ({
    id,
    fs: { id } as never,
    client: () => expect.unreachable(),
  });
  const lab = environment("lab");
  const box = environment("box");
  const here = herePlace({} as FileSystem, "/cwd");
  const places = new Places({
    environment: (id) => {
      const found = id === undefined || id === "lab" ? lab : id === "box" ? box : undefined;
      if (found) return found;
      throw new ExecServerError("ERR_UNKNOWN_ENVIRONMENT", `There is no environment "${id}"`);
    },
    plain: () => here,
    folder: (id) => (id === "box" ? "/stands/here" : undefined),
  });

  test("are those that are named, the default one, or the plain one", async () => {
    const of = async (text: string, id?: string): Promise<string> =>
      locationText(await places.locate(text, id));
    expect(await of("lab:/a")).toBe("lab:/a");
    expect(await of(":/a")).toBe("lab:/a");
    expect(await of("a")).toBe("/cwd/a");
    expect(await of("/a", "box")).toBe("box:/a");
    expect(await of("a", "box")).toBe("box:/stands/here/a");
    expect(await of("lab:/a", "box")).toBe("lab:/a");
  });

  test("are the same for the same environment, so that it copies by itself", async () => {
    expect((await places.locate("lab:/a")).place).toBe((await places.locate(":/b")).place);
  });

  test("an unknown one is named, with the way to a file of that name", async () => {
    await expect(places.locate("nowhere:x")).rejects.toThrow(
      'There is no environment "nowhere" (a file of that name is "./nowhere:x")',
    );
    await expect(places.locate("x", "nowhere")).rejects.toThrow(/^There is no environment "nowhere"$/);
  });
});
