/** The file at hand and the errors and warnings about places in it, none of which quotes its text. */

import { ExecServerError } from "../protocol/errors.ts";
import { positionAt, TomlSyntaxError } from "./toml_scanner.ts";
import { parseToml, type TomlTable } from "./toml_tree.ts";

/** One parsed file. */
export class TomlFile {
  /** As shown in messages. */
  readonly path: string;
  readonly root: TomlTable;
  /** What {@link warn} collected, in order. */
  readonly warnings: string[] = [];
  readonly #text: string;

  /** @throws {ExecServerError} `ERR_CONFIG` if `text` is not TOML 1.1. */
  constructor(text: string, path: string) {
    this.#text = text;
    this.path = path;
    try {
      this.root = parseToml(text);
    } catch (error) {
      if (!(error instanceof TomlSyntaxError)) throw error;
      throw this.#error(error.offset, error.message);
    }
  }

  /**
   * Refuses the file at `offset`, an index into its text. `keyPath` (`environments[1].url`) and `reason` are
   * made of our own words only, as any word of the file may be a token that went astray.
   *
   * @throws {ExecServerError} `ERR_CONFIG`, always.
   */
  fail(offset: number, keyPath: string, reason: string): never {
    throw this.#error(offset, `${keyPath}: ${reason}`);
  }

  /** Notes what is allowed but hardly meant. */
  warn(offset: number, keyPath: string, reason: string): void {
    this.warnings.push(`"${this.path}": ${this.#place(offset)}: ${keyPath}: ${reason}`);
  }

  #error(offset: number, detail: string): ExecServerError {
    return new ExecServerError("ERR_CONFIG", `Cannot use "${this.path}": ${this.#place(offset)}: ${detail}`);
  }

  #place(offset: number): string {
    const { line, column } = positionAt(this.#text, offset);
    return `line ${line}, column ${column}`;
  }
}
