/** The answers that say what this machine is, as text that is used again: to find all of it out takes 25 us. */

import type { Capabilities, EnvironmentInfo } from "../protocol/environment.ts";
import type { Advertised } from "./advertised.ts";
import { environmentInfo, workingDir } from "./info.ts";

/**
 * How long the login shell, the home and the folders of the environment are taken for what they were. They are changed by
 * hand, if ever, and nobody can tell from an answer at which moment of the last second they were looked at. The start
 * directory is looked at in each turn, as a client may remove it and ask.
 */
const VALID_MS = 1000;
/** New connections, which come in their thousands too, each in a turn of its own, hear of that so much later. */
const HANDSHAKE_MS = 20;

export class InfoTexts {
  readonly #advertised: readonly Advertised[];
  /** By whether bytes go raw, and whether it is the whole. */
  readonly #texts = new Map<number, string>();
  /** When the start directory and all of it were looked at, by the clock that nobody sets. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #madeAt = Number.NEGATIVE_INFINITY;
  #cwd: string | null = null;
  #isNewTurn = true;

  constructor(advertised: readonly Advertised[]) {
    this.#advertised = advertised;
  }

  /** `environmentInfo` in the answer of `initialize`. */
  ofHandshake(raw: boolean): string {
    const now = performance.now();
    if (now - this.#lookedAt >= HANDSHAKE_MS) this.#look(now);
    return this.#text(raw);
  }

  /**
   * The answer of `environment/info`. Many may be asked for in one turn.
   * @param more What it says and a handshake does not.
   */
  whole(raw: boolean, more: () => Partial<EnvironmentInfo>): string {
    if (this.#isNewTurn) {
      this.#look(performance.now());
      this.#isNewTurn = false;
      setImmediate(() => {
        this.#isNewTurn = true;
      });
    }
    return this.#text(raw, more);
  }

  #text(raw: boolean, more?: () => Partial<EnvironmentInfo>): string {
    const key = (raw ? 1 : 0) + (more ? 2 : 0);
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = JSON.stringify({ ...this.#made(raw), ...more?.() });
      this.#texts.set(key, text);
    }
    return text;
  }

  /** Drops what may have changed. */
  #look(now: number): void {
    const cwd = workingDir();
    this.#lookedAt = now;
    if (cwd === this.#cwd && now - this.#madeAt < VALID_MS) return;
    this.#texts.clear();
    this.#cwd = cwd;
    this.#madeAt = now;
  }

  #made(raw: boolean): EnvironmentInfo {
    const info = environmentInfo();
    const capabilities: Capabilities = { ...info.capabilities };
    for (const one of this.#advertised) {
      Object.assign(capabilities, one.capabilities, raw ? one.rawCapabilities : undefined);
    }
    return { ...info, capabilities };
  }
}
