/** Whether a confined program failed at its sandbox: facts where there are some, else what it said, as the peer judges. */

/** Ended by the filter: 128 + SIGSYS. */
const FILTERED = 159;
/** In any letter case. */
const words = [
  "operation not permitted",
  "permission denied",
  "read-only file system",
  "seccomp",
  "sandbox",
  "landlock",
  "failed to write file",
];
const longest = Math.max(...words.map(({ length }) => length));

/** Looks at the output of one process as it comes. */
export class DenialWatch {
  readonly #wasDenied: () => boolean;
  readonly #tails = new Map<string, string>();
  #said = false;

  /** @param wasDenied Whether it is known that something was refused. */
  constructor(wasDenied: () => boolean = () => false) {
    this.#wasDenied = wasDenied;
  }

  output(stream: string, bytes: Uint8Array): void {
    if (this.#said) return;
    let ascii = this.#tails.get(stream) ?? "";
    // The words are ASCII; whatever else is cut in two stays harmless as Latin-1.
    for (let at = 0; at < bytes.length; at += 8192) {
      ascii += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    const text = ascii.toLowerCase();
    this.#said = words.some((word) => text.includes(word));
    this.#tails.set(stream, text.slice(-longest));
  }

  /** What it comes to for this exit status. */
  denied(exitCode: number): boolean {
    return exitCode === FILTERED || (exitCode !== 0 && (this.#wasDenied() || this.#said));
  }
}
