/** What one runtime has and the other has not is used in lib/runtime/ only. */

import { describe, expect, test } from "bun:test";
import { blank, isShipped, lineAt, listFiles, readText } from "./source.ts";

/** The places where a text uses Bun's or Deno's own globals and modules. */
function uses(code: string): { what: string; line: number }[] {
  const plain = blank(code, { strings: true });
  const withoutText = blank(code, { strings: false });
  const globals = [...withoutText.matchAll(/(?<![\w$])(?:Bun|Deno)(?![\w$])/g)];
  const modules = [...plain.matchAll(/["'`]bun(?::[\w/-]+|-pty)?["'`](?=\s*[;)])/g)];
  return [...globals, ...modules].map((match) => ({ what: match[0], line: lineAt(code, match.index) }));
}

/** `file:line` of each place where the code of a file matches. */
function linesWith(pattern: RegExp, file: string): string[] {
  const code = blank(readText(file), { strings: false });
  return [...code.matchAll(pattern)].map(({ index }) => `${file}:${lineAt(code, index)}`);
}

test("Bun and Deno are named in lib/runtime/ only", () => {
  const wrong = listFiles()
    .filter((file) => isShipped(file) && !file.startsWith("lib/runtime/"))
    .flatMap((file) =>
      uses(readText(file)).map(
        ({ what, line }) =>
          `${file}:${line} uses ${what}: add what it does to the Runtime interface (lib/runtime/runtime.ts), write it for both runtimes, and take the runtime as a value; or use a node: module that both have`,
      ),
    );
  expect(wrong).toEqual([]);
});

/** Files that read the time of the day because it is what they tell, each with what that is. */
const tellingTheTime: Record<string, string> = {
  "lib/process/start_request.ts": "when a process was started, in the list of processes",
  "lib/server/credentials.ts": "whether a signed token is in the time that it names",
  "lib/sandbox/glob_scan.ts": "compares it with the times of folders",
};

test("no limit of time is taken from the clock on the wall, which may jump", () => {
  const wrong = listFiles()
    .filter((file) => file.startsWith("lib/") && !/^lib\/(repl|cli)\//.test(file))
    .filter((file) => !(file in tellingTheTime))
    .flatMap((file) => linesWith(/\bDate\.now\b|\bnew Date\(\)/g, file))
    .map(
      (line) =>
        `${line} reads the clock: use performance.now(), or add the file with the reason to \`tellingTheTime\``,
    );
  expect(wrong).toEqual([]);
});

test("nothing asks for the name of a class, which the executable does not keep", () => {
  const wrong = listFiles()
    .filter(isShipped)
    .flatMap((file) => linesWith(/\bconstructor\??\.name\b/g, file))
    .map((line) => `${line} asks for the name of a class: give its objects one`);
  expect(wrong).toEqual([]);
});

describe("the reader", () => {
  test("sees globals, types and modules", () => {
    const code =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the code that is read
      'Bun.spawn([]);\nlet f: Deno.FsFile;\nconst b = globalThis.Bun;\nimport { x } from "bun:ffi";\nimport("bun");\n`v${Bun.version}`;';
    expect(uses(code).map(({ line }) => line)).toEqual([1, 2, 3, 6, 4, 5]);
  });

  test("passes over comments, text and longer names", () => {
    expect(uses('// Bun.spawn\n/** Deno */\nconst a = "Bun.spawn";\nBunny.hop(); const isDeno = 1;')).toEqual(
      [],
    );
  });
});
