/** What a guardian would have to end, in a file: written at every change, read only when we are gone. */

import process from "node:process";
import { nodeFs, nodeOs, nodePath } from "../runtime/node_modules.ts";

/** Above this the file is written anew, with what still counts. */
const REWRITE_ABOVE_BYTES = 64 * 1024;

/**
 * A line for each change. It is a file and not a pipe, so that nobody has to read along, and a change costs no more
 * than one `write`.
 */
export class GuardJournal {
  /** Known to its reader, which may come when we are gone. */
  readonly path: string;
  #fd: number;
  #bytes = 0;
  #rewriteAbove = REWRITE_ABOVE_BYTES;

  /** @throws {Error} The system's error, as when there is no room. */
  constructor() {
    const name = `exec-server-guard-${process.pid}-${crypto.randomUUID()}`;
    // In memory where that can be had.
    this.path = nodePath().join("/dev/shm", name);
    try {
      this.#fd = nodeFs().openSync(this.path, "wx", 0o600);
    } catch {
      this.path = nodePath().join(nodeOs().tmpdir(), name);
      this.#fd = nodeFs().openSync(this.path, "wx", 0o600);
    }
  }

  /** Adds a line. `all` gives every line that still counts, for when the file has grown long. */
  add(line: string, all: () => string[]): void {
    if (this.#bytes > this.#rewriteAbove) this.#rewrite(all());
    else this.#bytes += nodeFs().writeSync(this.#fd, `${line}\n`);
  }

  remove(): void {
    nodeFs().closeSync(this.#fd);
    nodeFs().rmSync(this.path, { force: true });
  }

  /** Whoever reads meanwhile has the old file or the new one, never a part. */
  #rewrite(lines: readonly string[]): void {
    const next = `${this.path}.next`;
    const text = lines.map((line) => `${line}\n`).join("");
    nodeFs().writeFileSync(next, text, { flag: "wx", mode: 0o600 });
    nodeFs().renameSync(next, this.path);
    nodeFs().closeSync(this.#fd);
    this.#fd = nodeFs().openSync(this.path, "a");
    this.#bytes = text.length;
    this.#rewriteAbove = REWRITE_ABOVE_BYTES + 2 * this.#bytes;
  }
}
