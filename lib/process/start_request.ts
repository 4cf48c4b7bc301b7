/** What a process was started with, as far as it is asked for again later. */

import type { StartParams } from "../protocol/process.ts";
import { digest } from "../runtime/digest.ts";

export class StartRequest {
  readonly argv: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly startedAtMs = Date.now();
  /** With `startOnce`: what a repeated request is compared with. */
  #params: StartParams | undefined;
  #digest: string | undefined;

  constructor(params: StartParams) {
    this.argv = params.argv;
    this.labels = params.labels ?? {};
    if (params.startOnce) this.#params = params;
  }

  /** Whether this is the same request again. */
  isSame(params: StartParams): boolean {
    if (this.#params) return canonical(this.#params) === canonical(params);
    return this.#digest === fingerprint(params);
  }

  /** The process is over: keeps no more than is needed to know the request again. */
  shrink(): void {
    if (!this.#params) return;
    this.#digest = fingerprint(this.#params);
    this.#params = undefined;
  }
}

function fingerprint(params: StartParams): string {
  return digest("sha256", canonical(params)).toBase64();
}

/** The same text for the same values, in whatever order they came. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    return Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1));
  });
}
