/** A start of the server must not load what is slow to load. */

import { expect, test } from "bun:test";
import { posix } from "node:path";
import { blank, lineAt, listFiles, readText } from "./source.ts";

/** What takes Bun a third of a millisecond and more, and what to use in its place. */
const slow: Record<string, string> = {
  crypto: "lib/runtime/digest.ts for digests, the global crypto for randomUUID() and getRandomValues()",
  net: "lib/protocol/ip_address.ts for isIP(), the Runtime for connections",
  ...Object.fromEntries(
    ["fs", "path", "os", "child_process", "dns", "http", "https", "tls"].map((name) => [
      name,
      "lib/runtime/node_modules.ts",
    ]),
  ),
  stream: "the streams of the web",
  util: "plain code",
};

/** What the server on Bun does not load, thanks to the split of the build. */
const elsewhere =
  /^lib\/((client|environments|exec|files|mcp|relay|repl)\/|runtime\/deno|cli\/(?!main|serve|output|http_policy|listen_url|sandbox_flag))/;

test("no module of Node that is slow to load is imported where a start of the server passes", () => {
  const wrong = listFiles()
    .filter((file) => /^(lib\/.*|cli)\.ts$/.test(file) && !elsewhere.test(file))
    .flatMap((file) => {
      const code = blank(readText(file), { strings: true });
      const imports = [...code.matchAll(/^import\s+(?!type\s)[^;]*?\bfrom\s+"node:(\w+)/gm)];
      return imports
        .filter(([, name]) => slow[name!] !== undefined)
        .map((match) => {
          const [, name] = match;
          return `${file}:${lineAt(code, match.index)} imports node:${name}, which costs every start some ms: use ${slow[name!]}, or process.getBuiltinModule("node:${name}") where it is needed`;
        });
    });
  expect(wrong).toEqual([]);
});

/** What a connection is served with after its handshake. */
const later =
  /^lib\/(protocol\/methods|process\/handlers|sandbox\/(confine|ceiling|resolve)|server\/(connection_)?work)\.ts$/;
/** What many a client never asks for. */
const asked = /^lib\/((fs|http)\/handlers|server\/(confined_files|file_service|http_service))\.ts$/;

test("a server listens and greets before what it is asked for later is loaded", () => {
  for (const start of ["lib/cli/serve.ts", "lib/server/listen.ts"]) {
    const found = [...loadedWith(start)];
    expect(found).toContain("lib/server/connection.ts");
    expect(found.filter((file) => later.test(file)).map((file) => `${start} loads ${file} at once`)).toEqual(
      [],
    );
  }
});

test("files and HTTP are loaded when they are asked for, and not for processes", () => {
  const work = [...loadedWith("lib/server/work.ts")];
  expect(work.filter((file) => later.test(file))).toHaveLength(7);
  expect(work.filter((file) => asked.test(file))).toEqual([]);
  const services = ["lib/server/confined_files.ts", "lib/server/http_service.ts"];
  const all = new Set(services.flatMap((file) => [...loadedWith(file)]));
  expect([...all].filter((file) => asked.test(file))).toHaveLength(5);
});

/** A file and all that it imports, not as types only and not when it runs. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const { path, kind } of transpiler.scanImports(readText(file))) {
    if (kind === "import-statement" && path.startsWith(".")) {
      loadedWith(posix.join(posix.dirname(file), path), found);
    }
  }
  return found;
}

const transpiler = new Bun.Transpiler({ loader: "ts" });
