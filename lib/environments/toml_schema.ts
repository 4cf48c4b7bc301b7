/** The keys of `environments.toml` and the types of their values: TOML values in, JavaScript values out. */

import type { TomlFile } from "./toml_file.ts";
import type { TomlTable, TomlValue } from "./toml_tree.ts";

/** A table whose keys are known and whose values have the right types, but may not make sense yet. */
export interface Decoded<Fields> {
  /** By the names in the file. */
  fields: Fields;
  /** `environments[1]`; empty for the whole file. */
  keyPath: string;
  table: TomlTable;
}

export interface RootFields {
  default?: string;
  include_local?: boolean;
  environments?: Decoded<EnvironmentFields>[];
}

export interface EnvironmentFields {
  id: string;
  url?: string;
  program?: string;
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  connect_timeout_sec?: number;
  initialize_timeout_sec?: number;
  auth_bearer_token?: string;
  skills?: Decoded<SkillsFields>;
}

export interface SkillsFields {
  required?: string[];
}

/**
 * Decodes the whole file.
 *
 * @throws {ExecServerError} `ERR_CONFIG` at the first unknown key or wrong type, in the order of the file.
 */
export function decodeFile(file: TomlFile): Decoded<RootFields> {
  return root(file, file.root, "");
}

/** Path of `key` in the table at `keyPath`. */
export function joinKeyPath(keyPath: string, key: string): string {
  return keyPath === "" ? key : `${keyPath}.${key}`;
}

/** Where `key` of a decoded table is, or else the table. */
export function offsetOf(decoded: { table: TomlTable }, key: string): number {
  return (decoded.table.entries.get(key) ?? decoded.table).offset;
}

type Decoder<T> = (file: TomlFile, value: TomlValue, keyPath: string) => T;

const string: Decoder<string> = (file, value, keyPath) =>
  value.kind === "string" ? value.value : file.fail(value.offset, keyPath, "expected a string");

const boolean: Decoder<boolean> = (file, value, keyPath) =>
  value.kind === "boolean" ? value.value : file.fail(value.offset, keyPath, "expected true or false");

/** Any span that fits the 64-bit seconds of codex. `nan` fails both comparisons. */
const seconds: Decoder<number> = (file, value, keyPath) =>
  value.kind === "number" && value.value >= 0 && value.value < 2 ** 64
    ? value.value
    : file.fail(value.offset, keyPath, "expected a number of seconds, 0 or more and below 2^64");

function arrayOf<T>(item: Decoder<T>, wanted: string): Decoder<T[]> {
  return (file, value, keyPath) =>
    value.kind === "array"
      ? value.items.map((element, index) => item(file, element, `${keyPath}[${index}]`))
      : file.fail(value.offset, keyPath, wanted);
}

const strings: Decoder<string[]> = arrayOf(string, "expected an array of strings");

function stringsByName(file: TomlFile, value: TomlValue, keyPath: string): Record<string, string> {
  if (value.kind !== "table") file.fail(value.offset, keyPath, "expected a table of strings");
  // `fromEntries` makes an own property even of `__proto__`. The names stay out of the path: see TomlFile.fail.
  return Object.fromEntries(
    Array.from(value.entries, ([name, entry]) => [name, string(file, entry, `${keyPath}.*`)]),
  );
}

function tableOf<Fields>(
  decoders: { [Key in keyof Fields]-?: Decoder<NonNullable<Fields[Key]>> },
  required: readonly (keyof Fields & string)[] = [],
): Decoder<Decoded<Fields>> {
  const known = new Map<string, Decoder<unknown>>(Object.entries(decoders));
  const names = Array.from(known.keys()).join(", ");
  return (file: TomlFile, value: TomlValue, keyPath: string) => {
    if (value.kind !== "table") file.fail(value.offset, keyPath, `expected a table with the keys ${names}`);
    const fields: Record<string, unknown> = {};
    for (const [key, entry] of value.entries) {
      const decode = known.get(key);
      if (decode === undefined) {
        file.fail(entry.offset, joinKeyPath(keyPath, "*"), `unknown key, expected ${names}`);
      }
      fields[key] = decode(file, entry, joinKeyPath(keyPath, key));
    }
    const missing = required.find((key) => !value.entries.has(key));
    if (missing !== undefined) file.fail(value.offset, keyPath, `expected the key ${missing}`);
    return { fields: fields as Fields, keyPath, table: value };
  };
}

const skills: Decoder<Decoded<SkillsFields>> = tableOf<SkillsFields>({ required: strings });

const environment: Decoder<Decoded<EnvironmentFields>> = tableOf<EnvironmentFields>(
  {
    id: string,
    url: string,
    program: string,
    args: strings,
    env: stringsByName,
    cwd: string,
    connect_timeout_sec: seconds,
    initialize_timeout_sec: seconds,
    auth_bearer_token: string,
    skills,
  },
  ["id"],
);

const root: Decoder<Decoded<RootFields>> = tableOf<RootFields>({
  default: string,
  include_local: boolean,
  environments: arrayOf(environment, "expected [[environments]] or an array of tables"),
});
