/** A small run-time checker: the shapes of the wire as values, with the compiler between them and the interfaces. */

import { base64Fault, decodeStrictBase64 } from "./base64.ts";

/** A value does not have the shape that was wanted. The message is fit for the other side. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly reason: string;
  /** Where in the value: `envPolicy.exclude[2]`, empty for the whole. */
  readonly path: string;
  /** The code of the wire, where it is not that of bad parameters; the message then stands alone. */
  readonly rpcCode: number | undefined;

  constructor(reason: string, path = "", rpcCode?: number) {
    super(path === "" || rpcCode !== undefined ? reason : `${path}: ${reason}`);
    this.reason = reason;
    this.path = path;
    this.rpcCode = rpcCode;
  }
}

/** How a value looks out there and in here; the two differ for bytes only, which are base64 on the wire. */
export interface Schema<T> {
  /** @throws {DecodeError} Names what was found and what was expected. */
  decode(value: unknown): T;
  encode(value: T): unknown;
  /** The same out there and in here, so that encoding can be skipped. */
  readonly plain: boolean;
  /** What documentation calls it. */
  readonly label: string;
  /** What a missing member stands for, where it may be missing. */
  readonly whenAbsent?: { readonly value: T };
}

/** A member that may be absent; with `nullable` null means absent too. */
export interface OptionalField<T> {
  readonly optional: true;
  readonly nullable: boolean;
  readonly schema: Schema<T>;
}

type Shape<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? OptionalField<Exclude<T[K], undefined>>
    : Schema<T[K]>;
};

function plain<T>(label: string, decode: (value: unknown) => T): Schema<T> {
  return { decode, encode: (value) => value, plain: true, label };
}

export const string: Schema<string> = plain("string", (value) => {
  if (typeof value === "string") return value;
  throw mistyped(value, "a string");
});

export const boolean: Schema<boolean> = plain("boolean", (value) => {
  if (typeof value === "boolean") return value;
  throw mistyped(value, "a boolean");
});

/**
 * A whole number from 0; those above 2^53 lose their last digits, which no count of ours reaches. The highest that
 * a peer may send, 2^64 - 1, is read as 2^64.
 */
export const unsigned: Schema<number> = plain("unsigned integer", (value) => {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2 ** 64) return value;
  if (isU64(value)) return Number(value);
  throw mistyped(value, "u64");
});

/** A whole number from 0 to 2^64 - 1 with all its digits: a bigint where a number would lose some. */
export type U64 = number | bigint;

// Not yet among the types of the standard library.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

export const u64: Schema<U64> = {
  label: "unsigned integer",
  plain: false,
  decode: (value) => {
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 64) return value;
    if (isU64(value)) return value;
    throw mistyped(value, "u64");
  },
  // A number of JSON has as many digits as it likes.
  encode: (value) => (typeof value === "bigint" ? rawJSON(String(value)) : value),
};

function isU64(value: unknown): value is bigint {
  return typeof value === "bigint" && value >= 0n && value < 2n ** 64n;
}

/** Any number. */
export const number: Schema<number> = plain("number", (value) => {
  if (typeof value === "number") return value;
  throw mistyped(value, "f64");
});

export const integer: Schema<number> = plain("integer", (value) => {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw mistyped(value, "an integer");
});

/** Anything; for members that are passed on or kept for a later rule. */
export const anything: Schema<unknown> = {
  ...plain("any value", (value) => value),
  whenAbsent: { value: undefined },
};

/** Nothing: absent, null or an empty object. */
export const nothing: Schema<null> = plain("none", (value) => {
  if (value === undefined || value === null) return null;
  if (isObject(value) && Object.keys(value).length === 0) return null;
  throw mistyped(value, "unit");
});

/** Bytes; on the wire standard base64 with padding. */
export const bytes: Schema<Uint8Array> = {
  label: "base64",
  plain: false,
  // The peer does not name the member.
  decode: (value) => decodeBase64(value, (fault) => new DecodeError(fault, "", -32602)),
  encode: (value) => value.toBase64(),
};

/** The bytes of a file in `fs/writeFile`, of which the peer says in words of its own what is wrong. */
export const fileBytes: Schema<Uint8Array> = {
  ...bytes,
  decode: (value) =>
    decodeBase64(
      value,
      (fault) => new DecodeError(`fs/writeFile requires valid base64 dataBase64: ${fault}`, "", -32600),
    ),
};

/** What came raw is bytes already. */
function decodeBase64(value: unknown, fault: (reason: string) => DecodeError): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") throw mistyped(value, "a string");
  const decoded = decodeStrictBase64(value);
  if (decoded) return decoded;
  throw fault(base64Fault(value));
}

/** One of some words. What is said of them is put together when it is needed: a start makes many of these. */
export function oneOf<const T extends string>(...words: readonly T[]): Schema<T> {
  const expected = (): string => words.map((word) => `\`${word}\``).join(" or ");
  return {
    get label() {
      return words.map((word) => `"${word}"`).join(" | ");
    },
    plain: true,
    decode: (value) => {
      if (typeof value !== "string") throw mistyped(value, expected());
      if (words.includes(value as T)) return value as T;
      throw new DecodeError(`unknown variant \`${value.slice(0, 100)}\`, expected ${expected()}`);
    },
    encode: (value) => value,
  };
}

/**
 * A schema that decodes in another way. Not a copy by `...`, which would ask for all that is made at its first use.
 * @param decode May use that of the schema itself.
 */
export function decodedBy<T, S extends Schema<T>>(schema: S, decode: (value: unknown) => T): S {
  return Object.create(schema, { decode: { value: decode } });
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return {
    get label() {
      return `${schema.label} | null`;
    },
    get plain() {
      return schema.plain;
    },
    whenAbsent: { value: null },
    decode: (value) => (value === null || value === undefined ? null : schema.decode(value)),
    encode: (value) => (value === null ? null : schema.encode(value)),
  };
}

/** A member that may be absent but not null. */
export function optional<T>(schema: Schema<T>): OptionalField<T> {
  return { optional: true, nullable: false, schema };
}

/** A member that may be absent or null, which mean the same. */
export function nullish<T>(schema: Schema<T>): OptionalField<T> {
  return { optional: true, nullable: true, schema };
}

export function array<T>(item: Schema<T>): Schema<T[]> {
  return {
    get label() {
      return `${item.label}[]`;
    },
    get plain() {
      return item.plain;
    },
    decode: (value) => {
      if (!Array.isArray(value)) throw mistyped(value, "a sequence");
      return value.map((entry, index) => decodeAt(asIndex, index, item, entry));
    },
    encode: (value) => (item.plain ? value : value.map((entry) => item.encode(entry))),
  };
}

/** A map from names to values. The result has no prototype, so that no name is special. */
export function record<T>(item: Schema<T>): Schema<Record<string, T>> {
  return {
    get label() {
      return `map of ${item.label}`;
    },
    get plain() {
      return item.plain;
    },
    decode: (value) => {
      if (!isObject(value)) throw mistyped(value, "a map");
      const result: Record<string, T> = Object.create(null);
      for (const [name, entry] of Object.entries(value)) {
        result[name] = decodeAt(asKey, name, item, entry);
      }
      return result;
    },
    encode: (value) =>
      item.plain
        ? value
        : Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, item.encode(entry)])),
  };
}

interface Member {
  name: string;
  schema: Schema<unknown>;
  optional: boolean;
  nullable: boolean;
}

/** An object with exactly the members of the interface; members that it does not know are ignored. */
export function object<T extends object>(
  shape: Shape<T>,
): Schema<T> & { readonly members: readonly Member[] } {
  // Made at the first use: a start of the server makes hundreds of schemas, and uses few.
  let made: Members | undefined;
  const members = (): Members => {
    made ??= membersOf(shape);
    return made;
  };
  return {
    label: "object",
    get plain() {
      return members().changed.length === 0;
    },
    get members() {
      return members().all;
    },
    decode: (value) => {
      if (!isObject(value)) throw mistyped(value, "an object");
      const result: Record<string, unknown> = {};
      for (const member of members().all) {
        const found = value[member.name];
        if (found === undefined || (member.nullable && found === null)) {
          if (member.optional) continue;
          if (!member.schema.whenAbsent) throw new DecodeError(`missing field \`${member.name}\``);
          result[member.name] = member.schema.whenAbsent.value;
          continue;
        }
        result[member.name] = decodeAt(asMember, member.name, member.schema, found);
      }
      return result as T;
    },
    encode: (value) => {
      const { changed } = members();
      if (!changed.some(({ name }) => isThere((value as Record<string, unknown>)[name]))) return value;
      const result: Record<string, unknown> = {};
      for (const [name, entry] of Object.entries(value)) result[name] = entry;
      for (const { name, schema } of changed) {
        const entry = result[name];
        if (isThere(entry)) result[name] = schema.encode(entry);
      }
      return result;
    },
  };
}

interface Members {
  all: readonly Member[];
  /** Those that look different out there. */
  changed: readonly Member[];
}

function membersOf(shape: object): Members {
  const all = Object.entries<Schema<unknown> | OptionalField<unknown>>(
    shape as Record<string, Schema<unknown> | OptionalField<unknown>>,
  ).map(([name, field]): Member => {
    return "optional" in field
      ? { name, schema: field.schema, optional: true, nullable: field.nullable }
      : { name, schema: field, optional: false, nullable: false };
  });
  return { all, changed: all.filter((member) => !member.schema.plain) };
}

/** One of several objects, told apart by the word in one of their members. */
export function variants<T extends object>(
  tag: keyof T & string,
  shapes: Readonly<Record<string, Schema<T> | Schema<never>>>,
): Schema<T> {
  const words = oneOf(...Object.keys(shapes));
  return {
    label: "object",
    get plain() {
      return Object.values(shapes).every((shape) => shape.plain);
    },
    decode: (value) => {
      if (!isObject(value)) throw mistyped(value, "an object");
      if (value[tag] === undefined) throw new DecodeError(`missing field \`${tag}\``);
      const word = decodeAt(asMember, tag, words, value[tag]);
      return shapes[word]!.decode(value) as T;
    },
    encode: (value) => (shapes[String(value[tag])] as Schema<T>).encode(value),
  };
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

const asMember = (name: string): string => name;
const asKey = (name: string): string => `["${name}"]`;
const asIndex = (index: number): string => `[${index}]`;

/** Decodes a part; its fault is one of the whole. Without a closure for each part, as every request has several. */
function decodeAt<K, T>(placeOf: (key: K) => string, key: K, schema: Schema<T>, value: unknown): T {
  try {
    return schema.decode(value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const separator = error.path === "" || error.path.startsWith("[") ? "" : ".";
    throw new DecodeError(error.reason, `${placeOf(key)}${separator}${error.path}`, error.rpcCode);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mistyped(value: unknown, expected: string): DecodeError {
  return new DecodeError(`invalid type: ${nameOf(value)}, expected ${expected}`);
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "sequence";
  switch (typeof value) {
    case "bigint":
      return `integer \`${value}\``;
    case "number":
      return Number.isInteger(value) ? `integer \`${value}\`` : `floating point \`${value}\``;
    case "boolean":
      return `boolean \`${value}\``;
    case "string":
      return "string";
    case "undefined":
      return "nothing";
    default:
      return "map";
  }
}
