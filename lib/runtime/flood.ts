/**
 * Lets a pipe that floods fill up before it is read again. Read as soon as there is something, a fast writer on another
 * core is met after every few kilobytes, and both spend more time on waking each other than on bytes. In a pipe that has
 * been made larger it goes on in the meantime.
 */

import { LargePipes } from "./large_pipes.ts";

/** So much in so short a time is a flood. Answers of a prompt or another program to its input are far below. */
const FLOOD_BYTES = 128 * 1024;
/** So are so many pieces, however small, unless they answer something: on a busy machine we may be met after each. */
const FLOOD_READS = 32;
const WITHIN_MS = 3;
const REST_MS = 1;
/** It goes on as long as a rest brings so much. */
const STILL_FLOODS_BYTES = 16 * 1024;
/** A pipe that is found fuller than this on the average, of 64 KiB, fills up by itself: there is enough else to do. */
const FULL_BYTES = 48 * 1024;
const largePipes = new LargePipes(2);

/** What is known of one source. */
export class Flood {
  readonly #enlarge: (bytes: number) => boolean;
  readonly #now: () => number;
  #from: number;
  #bytes = 0;
  #reads = 0;
  /** Those of them that answer nothing. */
  #unasked = 0;
  /** The last word was a rest. */
  #rested = false;
  #pipe: "normal" | "large" | "refused" = "normal";
  #release: (() => void) | undefined;

  /** @param enlarge Makes the pipe larger; false where that cannot be. */
  constructor(enlarge: (bytes: number) => boolean, now: () => number = () => performance.now()) {
    this.#enlarge = enlarge;
    this.#now = now;
    this.#from = now();
  }

  took(bytes: number): void {
    this.#bytes += bytes;
    this.#reads++;
    this.#unasked++;
  }

  /** The program that writes has been sent something. */
  expectAnswer(): void {
    this.#unasked = 0;
    this.#rested = false;
  }

  /** The source is empty for now: how long to leave it alone. 0 unless it floods. */
  restMs(): number {
    if (this.#pipe === "refused") return 0;
    const now = this.#now();
    const late = now - this.#from > WITHIN_MS;
    const floods =
      this.#bytes >= (this.#rested ? STILL_FLOODS_BYTES : FLOOD_BYTES) || this.#unasked >= FLOOD_READS;
    const rests = !late && floods && this.#isLarge();
    this.#rested = rests;
    if (late || floods) {
      this.#from = now;
      this.#bytes = 0;
      this.#reads = 0;
      this.#unasked = 0;
    }
    return rests ? REST_MS : 0;
  }

  /** The source has ended. */
  end(): void {
    this.#release?.();
    this.#release = undefined;
    this.#pipe = "refused";
  }

  #isLarge(): boolean {
    const isFull = this.#bytes > FULL_BYTES * this.#reads;
    if (this.#pipe === "normal" && !isFull && largePipes.hasRoom) {
      this.#release = largePipes.add(this.#enlarge);
      this.#pipe = this.#release ? "large" : "refused";
    }
    return this.#pipe === "large";
  }
}
