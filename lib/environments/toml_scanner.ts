/**
 * Reads TOML text piece by piece: white space, comments, keys and scalars, as TOML 1.1 has them, which is what
 * codex 0.138.0 and 0.169.0 read.
 */

/** A place in a text as people count it, both from 1. Columns count code points; a byte order mark is none. */
export interface TextPosition {
  line: number;
  column: number;
}

/** One part of a dotted key. */
export interface TomlKey {
  name: string;
  /** Index of its first UTF-16 unit in the text. */
  offset: number;
}

/** A value without parts. Date-times are only recognised by their shape: no key of ours takes one. */
export type TomlScalar =
  | { kind: "string"; value: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "number"; value: number }
  | { kind: "date-time" };

/** The text is not TOML. The message never quotes the text, as it may hold a token. */
export class TomlSyntaxError extends Error {
  override readonly name = "TomlSyntaxError";
  /** Index of the UTF-16 unit where reading failed. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Line and column of `offset`, an index into `text`. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(text.startsWith(BYTE_ORDER_MARK) ? 1 : 0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: Array.from(before.slice(lineStart)).length + 1,
  };
}

/** A cursor over one text. Every method that reads throws a {@link TomlSyntaxError} where the text is wrong. */
export class TomlScanner {
  readonly #text: string;
  #offset: number;

  constructor(text: string) {
    this.#text = text;
    this.#offset = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  }

  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#text.length;
  }

  /** Refuses the text at `offset`. */
  fail(message: string, offset: number = this.#offset): never {
    throw new TomlSyntaxError(message, offset);
  }

  /** The line on which `offset` lies, from 1. */
  lineOf(offset: number): number {
    return positionAt(this.#text, offset).line;
  }

  /** Whether `text` comes next. */
  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#offset);
  }

  /** Passes over `text` if it comes next, and says whether it did. */
  take(text: string): boolean {
    const found = this.sees(text);
    if (found) this.#offset += text.length;
    return found;
  }

  /** Passes over spaces and tabs. */
  skipBlanks(): void {
    this.#match(BLANKS);
  }

  /** Passes over blanks, comments and line ends. */
  skipLines(): void {
    do {
      this.skipBlanks();
      this.#skipComment();
    } while (this.#match(LINE_END) !== undefined);
  }

  /** Passes over the rest of a line on which nothing but a comment may follow. */
  endLine(): void {
    this.skipBlanks();
    this.#skipComment();
    if (this.#match(LINE_END) === undefined && !this.atEnd) this.fail("Expected the end of the line");
  }

  /** Reads `a`, `a.b`, `"a b".'c'`, with the blanks around it. Never empty. */
  readKey(): TomlKey[] {
    const path: TomlKey[] = [];
    do {
      this.skipBlanks();
      const offset = this.#offset;
      if (this.sees('"""') || this.sees("'''")) this.fail("A key cannot be a multi-line string");
      const quoted = this.sees('"') || this.sees("'");
      const name = quoted ? this.#readString() : this.#match(BARE_KEY);
      path.push({ name: name ?? this.fail("Expected a key"), offset });
      this.skipBlanks();
    } while (this.take("."));
    return path;
  }

  /** Reads a string, boolean, number or date-time. */
  readScalar(): TomlScalar {
    if (this.sees('"') || this.sees("'")) return { kind: "string", value: this.#readString() };
    const word = this.#match(BOOLEAN);
    if (word !== undefined) return { kind: "boolean", value: word === "true" };
    if (this.#match(DATE_TIME) !== undefined) return { kind: "date-time" };
    const number = this.#match(RADIX_INTEGER) ?? this.#match(DECIMAL);
    if (number !== undefined) return { kind: "number", value: Number(number.replaceAll("_", "")) };
    const special = this.#match(SPECIAL_FLOAT);
    if (special === undefined) this.fail("Expected a value");
    if (special.endsWith("nan")) return { kind: "number", value: Number.NaN };
    return { kind: "number", value: special.startsWith("-") ? -Infinity : Infinity };
  }

  #skipComment(): void {
    if (!this.take("#")) return;
    this.#match(COMMENT_TEXT);
    if (this.atEnd || this.sees("\n") || this.sees("\r\n")) return;
    this.fail("Control character in a comment");
  }

  /** Reads any of the four kinds of string, the cursor being on the opening quote. */
  #readString(): string {
    const open = this.#offset;
    const quote = this.#text[open] as '"' | "'";
    const multiLine = this.take(quote.repeat(3));
    // A line end right after the opening quotes does not count.
    if (multiLine) this.#match(LINE_END);
    else this.take(quote);

    let value = "";
    while (true) {
      value += this.#match(PLAIN_TEXT) ?? "";
      if (this.atEnd) this.fail("String without an end", open);
      if (this.sees(quote)) {
        if (!multiLine) {
          this.take(quote);
          return value;
        }
        // Up to two quotes may stand inside, also right before the closing three.
        const quotes = this.#match(quote === '"' ? DOUBLE_QUOTES : SINGLE_QUOTES) ?? "";
        if (quotes.length >= 3) return value + quotes.slice(3);
        value += quotes;
      } else if (this.sees("\\") && quote === '"') {
        value += this.#readEscape(multiLine);
      } else if (this.#match(LINE_END) !== undefined) {
        if (!multiLine) this.fail("String without an end", open);
        value += "\n";
      } else {
        value += this.#match(OTHER_MARK) ?? this.fail("Control character in a string: write it as an escape");
      }
    }
  }

  #readEscape(multiLine: boolean): string {
    if (multiLine && this.#match(ESCAPED_LINE_END) !== undefined) return "";
    const start = this.#offset;
    const digits = this.#match(HEX_ESCAPE)?.slice(2);
    if (digits === undefined) {
      const char = SHORT_ESCAPES.get(this.#text[start + 1] ?? "") ?? this.fail("Unknown escape in a string");
      this.#offset += 2;
      return char;
    }
    const codePoint = Number.parseInt(digits, 16);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) {
      this.fail("Escape of something that is not a character", start);
    }
    return String.fromCodePoint(codePoint);
  }

  /** Passes over what `pattern`, a sticky one, finds here. */
  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text)?.[0];
    this.#offset += found?.length ?? 0;
    return found;
  }
}

const BYTE_ORDER_MARK = "\ufeff";
const BLANKS = /[ \t]*/y;
const LINE_END = /\r?\n/y;
const COMMENT_TEXT = /[^\x00-\x08\x0a-\x1f\x7f]*/y;
const BARE_KEY = /[A-Za-z0-9_-]+/y;
const BOOLEAN = /true|false/y;
const DATE_TIME =
  /\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?)?|\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?/y;
const RADIX_INTEGER = /0x[\dA-Fa-f]+(?:_[\dA-Fa-f]+)*|0o[0-7]+(?:_[0-7]+)*|0b[01]+(?:_[01]+)*/y;
const DECIMAL = /[+-]?(?:0|[1-9]\d*(?:_\d+)*)(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+(?:_\d+)*)?/y;
const SPECIAL_FLOAT = /[+-]?(?:inf|nan)/y;
/** What means itself in all four kinds of string. */
const PLAIN_TEXT = /[^"'\\\x00-\x08\x0a-\x1f\x7f]+/y;
/** The quote or backslash that has no meaning in the string at hand. */
const OTHER_MARK = /["'\\]/y;
const DOUBLE_QUOTES = /"{1,5}/y;
const SINGLE_QUOTES = /'{1,5}/y;
const ESCAPED_LINE_END = /\\[ \t]*\r?\n(?:[ \t]|\r?\n)*/y;
const HEX_ESCAPE = /\\(?:x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|U[\dA-Fa-f]{8})/y;
const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["t", "\t"],
  ["n", "\n"],
  ["f", "\f"],
  ["r", "\r"],
  ["e", "\x1b"],
  ['"', '"'],
  ["\\", "\\"],
]);
