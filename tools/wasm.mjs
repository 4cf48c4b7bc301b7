/** Compiles the WebAssembly text of `lib/` into the source that uses it; with `--check` only says whether it is there. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import wabt from "wabt";
import { root } from "./paths.mjs";

const text = join(root, "lib", "jsonrpc", "base64_codec.wat");
const source = join(root, "lib", "jsonrpc", "base64_codec.ts");
const constant = /const module =\s*"[^"]*";/;

const { parseWat } = await wabt();
const module = parseWat(text, readFileSync(text, "utf8"), { simd: true, relaxed_simd: true });
const { buffer } = module.toBinary({});
const code = `const module =\n  "${Buffer.from(buffer).toString("base64")}";`;
const before = readFileSync(source, "utf8");
const after = before.replace(constant, () => code);
if (process.argv.includes("--check")) {
  if (before === after) process.exit(0);
  console.error(`${source} does not hold what ${text} compiles to: npm run wasm`);
  process.exit(1);
}
writeFileSync(source, after);
