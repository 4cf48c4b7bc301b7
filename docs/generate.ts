/**
 * Writes docs/protocol.md: docs/protocol_text/protocol.md with its `{{…}}` replaced by tables made from lib/protocol.
 * `bun docs/generate.ts --check` writes nothing and exits 1 when the file is out of date.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { rpcCode } from "../lib/protocol/errors.ts";
import { clientNotifications, requests, serverNotifications } from "../lib/protocol/methods.ts";
import type { Schema } from "../lib/protocol/schema.ts";
import {
  type Declaration,
  type Member,
  parseConstants,
  parseDeclarations,
} from "./protocol_text/declarations.ts";

const folder = import.meta.dirname;
const sources = join(folder, "..", "lib", "protocol");
const target = join(folder, "protocol.md");
/** These hold no shapes of the wire. */
const withoutShapes = new Set([
  "base64.ts",
  "errors.ts",
  "methods.ts",
  "path_uri.ts",
  "sandbox_modes.ts",
  "schema.ts",
  "version.ts",
]);
/** Families first whose calls come first. */
const order = [
  "session.ts",
  "session_result.ts",
  "process.ts",
  "process_limits.ts",
  "process_list.ts",
  "fs.ts",
  "fs_blocks.ts",
  "fs_tree.ts",
  "fs_watch.ts",
  "environment.ts",
];

/** What a schema of an object knows of its members; the interface does not say where null is absent too. */
interface ObjectSchema extends Schema<unknown> {
  readonly members?: readonly { name: string; schema: ObjectSchema; optional: boolean; nullable: boolean }[];
}

/** The whole text. @throws {Error} A declaration or a marker that is not understood. */
export function protocolText(): string {
  const text = readFileSync(join(folder, "protocol_text", "protocol.md"), "utf8");
  const files = readdirSync(sources).filter((name) => name.endsWith(".ts") && !withoutShapes.has(name));
  files.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const shapes = files.flatMap((name) => parseDeclarations(name, read(name)));
  const tables = parseDeclarations("methods.ts", read("methods.ts"));
  const page = new Page(shapes, tables);
  const parts: Record<string, () => string> = {
    requests: () => page.requests(),
    "client notifications": () => page.notifications("ClientNotifications", Object.keys(clientNotifications)),
    "server notifications": () => page.notifications("ServerNotifications", Object.keys(serverNotifications)),
    shapes: () => page.shapes(),
    "error codes": () => errorCodes(),
    "local errors": () => localErrors(),
  };
  const unused = new Set(Object.keys(parts));
  const filled = text.replace(/\{\{(.*?)\}\}/g, (marker, name: string) => {
    const part = parts[name];
    if (!part) throw new Error(`docs/protocol_text/protocol.md: ${marker} is not known`);
    unused.delete(name);
    return part();
  });
  if (unused.size > 0)
    throw new Error(`docs/protocol_text/protocol.md lacks {{${[...unused].join("}}, {{")}}}`);
  return filled;
}

function read(name: string): string {
  return readFileSync(join(sources, name), "utf8");
}

function rank(name: string): number {
  return order.includes(name) ? order.indexOf(name) : order.length;
}

class Page {
  readonly #shapes: readonly Declaration[];
  readonly #tables: readonly Declaration[];
  readonly #names: ReadonlySet<string>;
  readonly #schemas = new Map<string, ObjectSchema>();

  constructor(shapes: readonly Declaration[], tables: readonly Declaration[]) {
    this.#shapes = shapes;
    this.#tables = tables;
    this.#names = new Set(shapes.map(({ name }) => name));
    const rows: Record<string, { params: ObjectSchema; result: ObjectSchema }> = requests as never;
    for (const { name, type } of this.#table("Requests", Object.keys(requests))) {
      const [params, result] = callTypes(name, type);
      this.#learn(params, rows[name]!.params);
      this.#learn(result, rows[name]!.result);
    }
    const notified: Record<string, ObjectSchema> = {
      ...clientNotifications,
      ...serverNotifications,
    } as never;
    for (const table of ["ClientNotifications", "ServerNotifications"]) {
      for (const { name, type } of this.#members(table)) this.#learn(type, notified[name]!);
    }
  }

  requests(): string {
    const gates: Record<string, { gate: string | null }> = requests;
    const rows = this.#table("Requests", Object.keys(requests)).map(({ name, type, doc }) => {
      const [params, result] = callTypes(name, type);
      const { gate } = gates[name]!;
      return [`\`${name}\``, this.#type(params), this.#type(result), gate ?? "—", cell(doc.text)];
    });
    return table(["method", "params", "result", "gate", "meaning"], rows);
  }

  notifications(interfaceName: string, names: readonly string[]): string {
    const rows = this.#table(interfaceName, names).map(({ name, type, doc }) => {
      const said =
        doc.text === "" ? (this.#shapes.find((shape) => shape.name === type)?.doc.text ?? "") : doc.text;
      return [`\`${name}\``, this.#type(type), cell(said)];
    });
    return table(["method", "params", "meaning"], rows);
  }

  shapes(): string {
    return this.#shapes.map((shape) => this.#shape(shape)).join("\n\n");
  }

  #shape({ name, doc, members, type }: Declaration): string {
    const head = [`### ${name}`, ...(doc.text === "" ? [] : [prose(doc.text)])];
    if (members === undefined) return [...head, this.#type(type)].join("\n\n");
    const rows = members.map((member) => [
      `\`${member.name}\``,
      this.#type(member.type),
      this.#presence(name, member),
      member.doc.fallback === undefined ? "" : `\`${member.doc.fallback}\``,
      cell(member.doc.text),
    ]);
    return [...head, table(["member", "type", "presence", "default", "meaning"], rows)].join("\n\n");
  }

  /** Whether a member must be there, and whether null may stand for its absence. */
  #presence(shape: string, { name, optional, where }: Member): string {
    const schema = this.#schemas.get(shape)?.members?.find((member) => member.name === name);
    if (schema && schema.optional !== optional) {
      throw new Error(`${where}: \`${name}\` is optional in one of interface and schema only`);
    }
    if (!optional) return "required";
    return schema?.nullable ? "optional, or null" : "optional";
  }

  /** Keeps which schema is which interface's, those of its members too. */
  #learn(type: string, schema: ObjectSchema): void {
    const shape = this.#shapes.find(({ name }) => name === type);
    if (!shape?.members || this.#schemas.has(type)) return;
    this.#schemas.set(type, schema);
    for (const member of shape.members) {
      const inner = schema.members?.find(({ name }) => name === member.name);
      if (!inner) throw new Error(`${member.where}: the schema of ${type} has no \`${member.name}\``);
      this.#learn(member.type, inner.schema);
    }
  }

  /** The members of an interface, which must be those of the table. */
  #table(name: string, expected: readonly string[]): readonly Member[] {
    const members = this.#members(name);
    const found = members.map((member) => member.name);
    if (found.join() !== expected.join()) {
      throw new Error(
        `lib/protocol/methods.ts: ${name} has ${found.join(", ")}; its table has ${expected.join(", ")}`,
      );
    }
    return members;
  }

  #members(name: string): readonly Member[] {
    const found = this.#tables.find((declaration) => declaration.name === name);
    if (!found?.members) throw new Error(`lib/protocol/methods.ts: there is no interface ${name}`);
    return found.members;
  }

  /** A type as code, with links to the shapes it names. */
  #type(type: string): string {
    if (type === "null") return "none";
    if (type === "Record<never, never>") return "an object without members";
    return type
      .split(/(\w+)/)
      .map((part) => {
        if (this.#names.has(part)) return `[${part}](#${part.toLowerCase()})`;
        return escapeCell(wireNames[part] ?? part);
      })
      .join("");
  }
}

/** What TypeScript calls otherwise than the wire. */
const wireNames: Record<string, string> = { Uint8Array: "base64", Record: "map", unknown: "any value" };

/** `Call<A, B>` in its two parts. */
function callTypes(name: string, type: string): [string, string] {
  const match = /^Call<([\w]+), ([\w]+)>$/.exec(type);
  if (!match)
    throw new Error(`lib/protocol/methods.ts: ${name}: expected Call<Params, Result>, found ${type}`);
  return [match[1]!, match[2]!];
}

function errorCodes(): string {
  const constants = parseConstants("errors.ts", read("errors.ts"), "rpcCode");
  const known: Record<string, number> = rpcCode;
  if (constants.map(({ name }) => name).join() !== Object.keys(known).join()) {
    throw new Error("lib/protocol/errors.ts: rpcCode is not what it was read as");
  }
  const rows = constants.map(({ name, doc }) => [`${known[name]}`, `\`${name}\``, cell(doc.text)]);
  return table(["code", "name", "used for"], rows);
}

function localErrors(): string {
  const union = parseDeclarations("errors.ts", read("errors.ts")).find(({ name }) => name === "ErrorCode");
  const rows = (union?.variants ?? []).map(({ type, doc }) => [
    `\`${type.replaceAll('"', "")}\``,
    cell(doc.text),
  ]);
  if (rows.length === 0) throw new Error("lib/protocol/errors.ts: there is no union ErrorCode");
  return table(["code", "means"], rows);
}

/** A table with its columns aligned, as the formatter has it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((cells) => [...cells[i]!].length)));
  const lines = [head, widths.map((width) => "-".repeat(width)), ...rows];
  const padded = lines.map((cells) =>
    cells.map((text, i) => text + " ".repeat(widths[i]! - [...text].length)),
  );
  return padded.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Text of a docstring: what is ours alone is marked, links lead to the shape. */
function prose(text: string): string {
  return text
    .replace(/\{@link (\w+)\}/g, (_, name: string) => `[${name}](#${name.toLowerCase()})`)
    .replace(/^Ours( \(|:)/, "**Ours**$1");
}

function cell(text: string): string {
  return escapeCell(prose(text));
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) {
  const text = protocolText();
  if (process.argv.includes("--check")) {
    let current = "";
    try {
      current = readFileSync(target, "utf8");
    } catch {
      // There is none yet.
    }
    if (current !== text) {
      console.error("docs/protocol.md is out of date: run `npm run docs` and commit the result");
      process.exitCode = 1;
    }
  } else {
    writeFileSync(target, text);
  }
}
