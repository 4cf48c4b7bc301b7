/** Flags of a command: parsed by `@std/cli`, checked here, with errors that name what was wanted. */

import { parseArgs } from "@std/cli/parse-args";
import { ExecServerError } from "../protocol/errors.ts";

/** One flag. */
export interface FlagSpec {
  /** `boolean` takes no value, `list` may be given several times. */
  type: "string" | "boolean" | "list" | "number";
  /** One letter. */
  short?: string;
  /** Name of the value in the help: `URL`. */
  value?: string;
  help: string;
  /** Left out of the help: there for programs made for the peer. */
  hidden?: boolean;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type FlagValue<T extends FlagSpec["type"]> = T extends "boolean"
  ? boolean
  : T extends "list"
    ? string[]
    : T extends "number"
      ? number | undefined
      : string | undefined;

/** What was given. */
export interface Parsed<S extends FlagSpecs> {
  flags: { [K in keyof S]: FlagValue<S[K]["type"]> };
  /** What is no flag, in order. */
  rest: string[];
}

/** How to read the arguments. */
export interface ParseOptions {
  /** Everything from the first word that is no flag is taken as it is. @default {false} */
  stopAtWord?: boolean;
}

/**
 * Reads the arguments of a command.
 * @throws {ExecServerError} `ERR_USAGE`: a flag that is not known, has no value or one that it does not take.
 */
export function parseFlags<const S extends FlagSpecs>(
  args: readonly string[],
  specs: S,
  { stopAtWord = false }: ParseOptions = {},
): Parsed<S> {
  const all: FlagSpecs = { ...specs, help };
  const { given, names, words } = separate(args, all, stopAtWord);
  // Only of those that are there: with all 25 of the server this takes a twentieth of its start.
  const of = (...types: FlagSpec["type"][]): string[] =>
    names.filter((name) => types.includes(all[name]!.type));
  const parsed: Record<string, unknown> = parseArgs(given, {
    string: of("string", "list", "number"),
    boolean: of("boolean"),
    collect: of("list"),
  });
  if (parsed.help) throw new HelpRequested();
  const flags: Record<string, unknown> = {};
  for (const [name, { type }] of Object.entries(all)) {
    const value = parsed[name] ?? whenAbsent(type);
    flags[name] = type === "number" && value !== undefined ? toNumber(name, value) : value;
  }
  return { flags: flags as Parsed<S>["flags"], rest: words };
}

function whenAbsent(type: FlagSpec["type"]): false | [] | undefined {
  return type === "boolean" ? false : type === "list" ? [] : undefined;
}

/** `--help` was among the flags. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
}

/** Every command has it. */
const help: FlagSpec = { type: "boolean", short: "h", help: "Show this help" };

/**
 * The flags, each as `--name` or `--name=value`, their names, and the words between and behind them. `parseArgs` takes an
 * unknown flag for a switch, an empty value or one with a dash for none, and in `-n true` the command for the value of
 * the switch.
 */
function separate(
  args: readonly string[],
  specs: FlagSpecs,
  stopAtWord: boolean,
): { given: string[]; names: string[]; words: string[] } {
  const given: string[] = [];
  const names = new Set<string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      words.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      if (stopAtWord) {
        words.push(...args.slice(i));
        break;
      }
      words.push(arg);
      continue;
    }
    const [flag, inline] = splitFlag(arg);
    const bundle = switchesOf(flag, specs);
    if (bundle && inline === undefined) {
      for (const name of bundle) names.add(name);
      given.push(...bundle.map((name) => `--${name}`));
      continue;
    }
    const name = nameOf(flag, specs);
    names.add(name);
    if (specs[name]!.type === "boolean") {
      if (inline !== undefined) throw new ExecServerError("ERR_USAGE", `"${flag}" takes no value`);
      given.push(`--${name}`);
      continue;
    }
    const value = inline ?? args[++i];
    if (value === undefined || (inline === undefined && value === "--")) {
      throw new ExecServerError(
        "ERR_USAGE",
        `"${flag}" needs a value: ${flag} ${specs[name]!.value ?? "VALUE"}`,
      );
    }
    given.push(`--${name}=${value}`);
  }
  return { given, names: [...names], words };
}

/** @throws {ExecServerError} `ERR_USAGE` */
function nameOf(flag: string, specs: FlagSpecs): string {
  const names = Object.keys(specs);
  const name = flag.startsWith("--")
    ? names.find((known) => known === flag.slice(2))
    : names.find((known) => specs[known]!.short === flag.slice(1));
  if (name !== undefined) return name;
  throw new ExecServerError("ERR_USAGE", `Unknown flag "${flag}"${suggestion(flag, names)}`);
}

/** The switches of `-rp`, where every letter is one. */
function switchesOf(flag: string, specs: FlagSpecs): string[] | undefined {
  if (!/^-[^-]{2,}$/.test(flag)) return undefined;
  const names = Array.from(flag.slice(1), (letter) =>
    Object.keys(specs).find((name) => specs[name]!.short === letter && specs[name]!.type === "boolean"),
  );
  return names.every((name) => name !== undefined) ? names : undefined;
}

function splitFlag(arg: string): [flag: string, value: string | undefined] {
  const equals = arg.indexOf("=");
  return equals < 0 ? [arg, undefined] : [arg.slice(0, equals), arg.slice(equals + 1)];
}

function toNumber(name: string, value: unknown): number {
  const number = Number(value);
  if (value !== "" && Number.isFinite(number) && number >= 0) return number;
  throw new ExecServerError("ERR_USAGE", `"--${name}" has the value "${value}": expected a number from 0`);
}

/** `: did you mean "--listen"?` where something known is close. */
export function suggestion(given: string, known: readonly string[]): string {
  const word = given.replace(/^-+/, "");
  const dashes = given.startsWith("-") ? "--" : "";
  let best = "";
  // Something of the word must be left.
  let bestDistance = Math.min(Math.max(2, Math.ceil(word.length / 3)) + 1, word.length);
  for (const name of known) {
    const distance = editDistance(word, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best === "" ? "" : `: did you mean "${dashes}${best}"?`;
}

/** Two letters that have changed places are one mistake. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? before[j - 2]! + 1 : change;
      next.push(Math.min(change, swap, row[j]! + 1, next[j - 1]! + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** The flags of a command as lines of its help. */
export function flagLines(specs: FlagSpecs): string {
  const rows = Object.entries({ ...specs, help })
    .filter(([, spec]) => !spec.hidden)
    .map(([name, spec]) => {
      const short = spec.short ? `-${spec.short}, ` : "    ";
      const value = spec.type === "boolean" ? "" : ` ${spec.value ?? "VALUE"}`;
      return [`  ${short}--${name}${value}`, spec.help] as const;
    });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows
    .map(([left, text]) => `${left.padEnd(width)}${text.replaceAll("\n", `\n${" ".repeat(width)}`)}`)
    .join("\n");
}
