/**
 * Reads the declarations of lib/protocol as biome formats them: a docstring, then `export interface X {` with a member
 * a line, or `export type X = …;`. Whatever else stands there is an error, so that nothing is left out unseen.
 */

/** A docstring: its text in one line, and what `@default {…}` says. */
export interface Doc {
  text: string;
  fallback?: string;
}

/** One member of an interface. */
export interface Member {
  name: string;
  type: string;
  optional: boolean;
  doc: Doc;
  /** `process.ts:12`, for errors. */
  where: string;
}

/** An interface has `members`, a union of more than one line has `variants`. */
export interface Declaration {
  name: string;
  doc: Doc;
  type: string;
  members?: Member[];
  variants?: { type: string; doc: Doc }[];
}

const noDoc: Doc = { text: "" };
/** Statements that declare nothing of the wire. */
const passedOver =
  /^(import |const |export const |function |export function |class |export class |export async )/;

/** @throws {Error} With file, line and what was expected. */
export function parseDeclarations(file: string, code: string): Declaration[] {
  const declarations: Declaration[] = [];
  let doc = noDoc;
  for (const { line, text } of statements(code)) {
    const where = `${file}:${line}`;
    const [first = ""] = text.split("\n", 1);
    if (first.startsWith("/**")) {
      doc = parseDoc(where, text);
      continue;
    }
    if (first.startsWith("//")) continue;
    const opened = /^export interface (\w+)(?:<[\w, ]+>)? \{/.exec(first);
    const alias = /^export type (\w+)(?:<.*>)? =/.exec(first);
    if (opened) {
      const members = parseMembers(file, line, text);
      declarations.push({ name: opened[1]!, doc, type: opened[1]!, members });
    } else if (alias) {
      declarations.push({ name: alias[1]!, doc, ...parseUnion(where, text) });
    } else if (!passedOver.test(first)) {
      throw new Error(
        `lib/protocol/${where}: expected an exported interface, type or value, found: ${first}`,
      );
    }
    doc = noDoc;
  }
  return declarations;
}

/** The documented members of `export const NAME = {…}`. */
export function parseConstants(file: string, code: string, name: string): { name: string; doc: Doc }[] {
  const found = statements(code).find(({ text }) => text.startsWith(`export const ${name} = {`));
  if (!found) throw new Error(`lib/protocol/${file}: there is no ${name}`);
  const lines = found.text.split("\n").slice(1, -1);
  return documented(file, found.line + 1, lines, /,$/).map(({ text, doc, where }) => {
    const match = /^(\w+): /.exec(text);
    if (!match) throw new Error(`lib/protocol/${where}: expected \`name: value,\`, found: ${text}`);
    return { name: match[1]!, doc };
  });
}

/** Statements and comments at the top level, with the number of their first line. */
function statements(code: string): { line: number; text: string }[] {
  const found: { line: number; text: string }[] = [];
  for (const [index, text] of code.split("\n").entries()) {
    const goesOn = text === "" || /^[\s})\]|]/.test(text);
    const last = found.at(-1);
    if (goesOn && last) last.text += `\n${text}`;
    else if (!goesOn) found.push({ line: index + 1, text });
  }
  return found.map(({ line, text }) => ({ line, text: text.trimEnd() }));
}

function parseMembers(file: string, line: number, text: string): Member[] {
  const lines = text.split("\n");
  if (lines.length === 1 && lines[0]!.endsWith("{}")) return [];
  if (lines.at(-1) !== "}")
    throw new Error(`lib/protocol/${file}:${line}: the interface does not end with \`}\``);
  return documented(file, line + 1, lines.slice(1, -1), /;$/).map(({ text: member, doc, where }) => {
    const match = /^(?:readonly )?(?:"([^"]+)"|(\w+))(\?)?: (.+);$/.exec(member);
    if (!match) throw new Error(`lib/protocol/${where}: expected \`name: Type;\`, found: ${member}`);
    return { name: (match[1] ?? match[2])!, type: match[4]!, optional: match[3] === "?", doc, where };
  });
}

function parseUnion(where: string, text: string): Pick<Declaration, "type" | "variants"> {
  const [, body] = /=\s*([\s\S]*);$/.exec(text) ?? [];
  if (body === undefined) throw new Error(`lib/protocol/${where}: the type does not end with \`;\``);
  const [file = "", line] = where.split(":");
  const lines = body.split("\n");
  if (lines.length === 1) return { type: body };
  const entries = documented(file, Number(line) + 1, lines, /./);
  const variants = entries.map(({ text: variant, doc }) => ({ type: variant.replace(/^\| /, ""), doc }));
  return { type: variants.map(({ type }) => type).join(" | "), variants };
}

/** Entries of a block, each with the docstring before it; `end` tells the last line of one. */
function documented(
  file: string,
  firstLine: number,
  lines: readonly string[],
  end: RegExp,
): { text: string; doc: Doc; where: string }[] {
  const entries: { text: string; doc: Doc; where: string }[] = [];
  let doc = noDoc;
  let comment = "";
  let text = "";
  for (const [index, line] of lines.map((entry) => entry.trim()).entries()) {
    const where = `${file}:${firstLine + index}`;
    if (comment !== "" || line.startsWith("/**")) {
      comment += `${line}\n`;
      if (!line.endsWith("*/")) continue;
      doc = parseDoc(where, comment.trim());
      comment = "";
    } else if (line !== "" && !line.startsWith("//")) {
      text = text === "" ? line : `${text} ${line}`;
      if (!end.test(line)) continue;
      entries.push({ text, doc, where });
      doc = noDoc;
      text = "";
    }
  }
  if (comment !== "" || text !== "")
    throw new Error(`lib/protocol/${file}:${firstLine}: ${text || comment} has no end`);
  return entries;
}

function parseDoc(where: string, comment: string): Doc {
  const words = comment
    .replace(/^\/\*\*|\*\/$/g, "")
    .split("\n")
    .map((line) => line.trim().replace(/^\* ?/, ""))
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
  const [, before = "", fallback, after = ""] = /^(.*?)\s*@default \{(.+)\}(.*)$/.exec(words) ?? ["", words];
  const text = `${before}${after}`.trim();
  // What a docstring throws is told where the calls are described.
  const strange = /(?<!\{)@(?!throws\b)\w+/.exec(text)?.[0];
  if (strange) throw new Error(`lib/protocol/${where}: ${strange} is not understood; text and @default are`);
  return fallback === undefined ? { text } : { text, fallback };
}
