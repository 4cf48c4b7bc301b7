/** Whether the other side still lives: pings at intervals, and on demand. */

/** Pings without an answer after which it does not. */
const MAX_QUIET_PINGS = 2;
/** The same while a client takes nothing: one that has stopped reading lives, and cannot be told from a dead one. */
const MAX_STUCK_PINGS = 5;

export interface LivenessOptions {
  /** Time between pings; 0 for none. */
  intervalMs: number;
  isServer: boolean;
  /** What the other side has not taken yet. */
  pendingBytes(): number;
  /** Sends a ping. */
  ping(): void;
  /** It does not live any more; with the reason. */
  giveUp(message: string): void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  /** Pings in a row after which nothing moved in either direction. */
  #quietPings = 0;
  #pendingAtPing = 0;
  #isDeaf = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Runs while an answer is asked for. */
  #probeTimer: ReturnType<typeof setTimeout> | undefined;
  #probeMs = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Whether nothing is read, so that no answer can be heard. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  set isDeaf(isDeaf: boolean) {
    this.#isDeaf = isDeaf;
    if (isDeaf) return;
    this.#quietPings = 0;
    // What came meanwhile is only read now.
    if (this.#probeTimer !== undefined) this.#awaitLife();
  }

  start(): void {
    const { intervalMs } = this.#options;
    if (intervalMs > 0) this.#timer = setInterval(() => this.#ping(), intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#endProbe();
  }

  /** Something came. */
  heard(): void {
    this.#quietPings = 0;
    this.#endProbe();
  }

  /** Asks for an answer within the time. Who cannot be heard then, or takes some of what waits, is let live. */
  probe(timeoutMs: number): void {
    if (this.#probeTimer !== undefined) return;
    this.#options.ping();
    this.#probeMs = timeoutMs;
    this.#awaitLife();
  }

  /** From now on, whatever has been waited already. */
  #awaitLife(): void {
    const { pendingBytes, giveUp } = this.#options;
    const pending = pendingBytes();
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => {
      this.#endProbe();
      if (this.#isDeaf || pendingBytes() < pending) return;
      giveUp(`a ping brought no answer in ${this.#probeMs} ms`);
    }, this.#probeMs);
  }

  /** Sends a ping, or gives up when the last ones brought nothing. */
  #ping(): void {
    const { intervalMs, isServer, pendingBytes, ping, giveUp } = this.#options;
    // Who takes some of what waits, lives.
    const pending = pendingBytes();
    const moved = this.#isDeaf || pending < this.#pendingAtPing;
    this.#pendingAtPing = pending;
    this.#quietPings = moved ? 0 : this.#quietPings + 1;
    const limit = isServer && pending > 0 ? MAX_STUCK_PINGS : MAX_QUIET_PINGS;
    if (this.#quietPings > limit) {
      giveUp(`${limit} pings brought no answer in ${(limit * intervalMs) / 1000} s`);
      return;
    }
    ping();
  }

  #endProbe(): void {
    clearTimeout(this.#probeTimer);
    this.#probeTimer = undefined;
  }
}
