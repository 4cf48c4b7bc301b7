/**
 * Parses TOML to a tree in which every value knows its place in the text.
 *
 * Why not `@std/toml`: it lets a duplicate key win silently, refuses files that codex reads, and gives no
 * positions; tests/unit/environments/std_toml_faults.test.ts measures it.
 */

import { type TomlKey, type TomlScalar, TomlScanner } from "./toml_scanner.ts";

/**
 * A value and where it is: `offset` is the index of its key in the text; of its first character if it is an
 * element of an array; of the header's first bracket if it is one of `[[…]]`.
 */
export type TomlValue = TomlTable | TomlArray | (TomlScalar & { offset: number });

export interface TomlTable {
  kind: "table";
  offset: number;
  /** In the order of the text. A map, so that `__proto__` and `constructor` are keys like any other. */
  entries: Map<string, TomlValue>;
  /**
   * What made it, which decides what may still extend it: a header; a longer header that passes through it; a
   * dotted key; or braces, which nothing extends.
   */
  origin: "header" | "passage" | "dotted" | "inline";
}

export interface TomlArray {
  kind: "array";
  offset: number;
  items: TomlValue[];
  /** Whether `[[…]]` made it and may add to it. */
  extensible: boolean;
}

/**
 * Parses a whole document.
 *
 * @throws {TomlSyntaxError} where the text is not TOML 1.1, duplicate keys and tables included.
 */
export function parseToml(text: string): TomlTable {
  const scanner = new TomlScanner(text);
  const root = newTable(0, "header");
  let current = root;
  for (scanner.skipLines(); !scanner.atEnd; scanner.skipLines()) {
    if (scanner.sees("[")) current = readHeader(scanner, root);
    else readPair(scanner, current, 0);
    scanner.endLine();
  }
  return root;
}

/** The deepest nesting of arrays and inline tables, the limit of codex too. Keeps recursion off the stack's end. */
const MAX_DEPTH = 80;

function newTable(offset: number, origin: TomlTable["origin"]): TomlTable {
  return { kind: "table", offset, entries: new Map(), origin };
}

/** Reads `[a.b]` or `[[a.b]]` and gives the table that the following pairs belong to. */
function readHeader(scanner: TomlScanner, root: TomlTable): TomlTable {
  const offset = scanner.offset;
  const repeated = scanner.take("[[");
  if (!repeated) scanner.take("[");
  const path = scanner.readKey();
  const close = repeated ? "]]" : "]";
  if (!scanner.take(close)) scanner.fail(`Expected "${close}"`);

  const last = path.at(-1)!;
  const parent = path.slice(0, -1).reduce((table, key) => passThrough(scanner, table, key), root);
  const existing = parent.entries.get(last.name);
  if (repeated) {
    const table = newTable(offset, "header");
    if (existing === undefined) {
      parent.entries.set(last.name, { kind: "array", offset: last.offset, items: [table], extensible: true });
    } else if (existing.kind === "array" && existing.extensible) {
      existing.items.push(table);
    } else {
      failDuplicate(scanner, last, existing);
    }
    return table;
  }
  if (existing === undefined) {
    const table = newTable(last.offset, "header");
    parent.entries.set(last.name, table);
    return table;
  }
  if (existing.kind !== "table" || existing.origin !== "passage") failDuplicate(scanner, last, existing);
  existing.origin = "header";
  return existing;
}

/** One step of a header towards its last key. */
function passThrough(scanner: TomlScanner, table: TomlTable, key: TomlKey): TomlTable {
  const existing = table.entries.get(key.name);
  if (existing === undefined) {
    const next = newTable(key.offset, "passage");
    table.entries.set(key.name, next);
    return next;
  }
  if (existing.kind === "table" && existing.origin !== "inline") return existing;
  // `[[a]]` then `[a.b]`: the header is about the newest element, which is always a table.
  const newest = existing.kind === "array" && existing.extensible ? existing.items.at(-1) : undefined;
  return newest?.kind === "table" ? newest : failDuplicate(scanner, key, existing);
}

/** Reads `a.b = value` into `table`. */
function readPair(scanner: TomlScanner, table: TomlTable, depth: number): void {
  const path = scanner.readKey();
  if (!scanner.take("=")) scanner.fail('Expected "=" after the key');
  scanner.skipBlanks();

  let owner = table;
  for (const key of path.slice(0, -1)) {
    const existing = owner.entries.get(key.name);
    // A dotted key only adds to what dotted keys began: a table with a header is complete where it stands.
    if (existing !== undefined && (existing.kind !== "table" || existing.origin !== "dotted")) {
      failDuplicate(scanner, key, existing);
    }
    const next = existing ?? newTable(key.offset, "dotted");
    owner.entries.set(key.name, next);
    owner = next;
  }
  const last = path.at(-1)!;
  const existing = owner.entries.get(last.name);
  if (existing !== undefined) failDuplicate(scanner, last, existing);
  owner.entries.set(last.name, readValue(scanner, last.offset, depth));
}

function readValue(scanner: TomlScanner, offset: number, depth: number): TomlValue {
  const isArray = scanner.sees("[");
  if (!isArray && !scanner.sees("{")) return { ...scanner.readScalar(), offset };
  if (depth >= MAX_DEPTH) scanner.fail("Nested too deeply");
  return isArray ? readArray(scanner, offset, depth + 1) : readInlineTable(scanner, offset, depth + 1);
}

function readArray(scanner: TomlScanner, offset: number, depth: number): TomlArray {
  const items: TomlValue[] = [];
  readItems(scanner, "[", "]", () => items.push(readValue(scanner, scanner.offset, depth)));
  return { kind: "array", offset, items, extensible: false };
}

function readInlineTable(scanner: TomlScanner, offset: number, depth: number): TomlTable {
  const table = newTable(offset, "inline");
  readItems(scanner, "{", "}", () => readPair(scanner, table, depth));
  return table;
}

/** Reads items between brackets, over any number of lines; a comma may follow the last. */
function readItems(scanner: TomlScanner, open: string, close: string, readItem: () => void): void {
  scanner.take(open);
  scanner.skipLines();
  while (!scanner.take(close)) {
    readItem();
    scanner.skipLines();
    if (scanner.take(",")) scanner.skipLines();
    else if (!scanner.sees(close)) scanner.fail(`Expected "," or "${close}"`);
  }
}

function failDuplicate(scanner: TomlScanner, key: TomlKey, existing: TomlValue): never {
  scanner.fail(`Duplicate key: it has a value from line ${scanner.lineOf(existing.offset)}`, key.offset);
}
