import { describe, expect, test } from "bun:test";
import { BusyPoll, type Polled } from "../../../lib/runtime/busy_poll.ts";

const SHORT = 100;
/** What a client needs to ask again. */
const SOON_MS = 0.04;
const LATE_MS = 1;

/** A busy poll whose time passes when the test says so, and by 0.01 ms a turn. */
class Scene {
  now = 0;
  turns = 0;
  polls = 0;
  /** How long others keep the processor. */
  keptMs = 0;
  readonly #next: (() => void)[] = [];
  readonly client: Polled = {
    poll: () => {
      this.polls++;
      return false;
    },
  };
  readonly poll = new BusyPoll(
    () => {
      this.now += this.keptMs;
    },
    { now: () => this.now, nextTurn: (turn) => this.#next.push(turn) },
  );

  get awake(): boolean {
    return this.#next.length > 0;
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.now < until) {
      this.now += 0.01;
      this.turns += this.awake ? 1 : 0;
      this.#next.shift()?.();
    }
  }

  /** So many short messages, each so long after the one before. */
  hear(count: number, ms: number, bytes = SHORT): void {
    for (let i = 0; i < count; i++) {
      this.pass(ms);
      this.poll.came(bytes, this.client);
    }
  }
}

describe("a busy poll", () => {
  test("begins when four messages in a row have come soon, and looks until 0.12 ms have passed in vain", () => {
    const scene = new Scene();
    scene.hear(4, SOON_MS);
    expect(scene.awake).toBe(false);
    scene.hear(1, SOON_MS);
    expect(scene.awake).toBe(true);
    scene.pass(0.11);
    expect(scene.awake).toBe(true);
    expect(scene.polls).toBeGreaterThan(20);
    scene.pass(0.03);
    expect(scene.awake).toBe(false);
    const { polls } = scene;
    scene.pass(10);
    expect(scene.polls).toBe(polls);
  });

  test("never begins with a client that takes its time", () => {
    const scene = new Scene();
    scene.hear(1000, LATE_MS);
    expect(scene.turns).toBe(0);
  });

  test("goes on as long as two of three messages come in time", () => {
    const scene = new Scene();
    scene.hear(20, SOON_MS);
    for (let i = 0; i < 50; i++) {
      scene.hear(4, SOON_MS);
      expect(scene.awake).toBe(true);
      scene.hear(1, LATE_MS);
    }
    for (let i = 0; i < 10; i++) {
      scene.hear(1, SOON_MS);
      scene.hear(1, LATE_MS);
    }
    expect(scene.awake).toBe(false);
  });

  test("has nothing to do with transfers", () => {
    const scene = new Scene();
    scene.hear(1000, SOON_MS, 64 * 1024);
    expect(scene.turns).toBe(0);
    scene.hear(20, SOON_MS);
    scene.pass(LATE_MS);
    scene.poll.sent(64 * 1024, scene.client);
    expect(scene.awake).toBe(false);
    scene.hear(20, SOON_MS);
    expect(scene.awake).toBe(true);
    scene.hear(1, SOON_MS, 64 * 1024);
    scene.pass(0.01);
    expect(scene.awake).toBe(false);
    for (let i = 0; i < 100; i++) {
      scene.hear(1, SOON_MS, 64 * 1024);
      scene.hear(1, SOON_MS);
    }
    expect(scene.awake).toBe(false);
  });

  test("waits awake for the answer to what has been sent, where answers come soon", () => {
    const scene = new Scene();
    scene.poll.sent(SHORT, scene.client);
    expect(scene.awake).toBe(false);
    scene.hear(20, SOON_MS);
    scene.pass(LATE_MS);
    expect(scene.awake).toBe(false);
    scene.poll.sent(SHORT, scene.client);
    expect(scene.awake).toBe(true);
  });

  test("deals with what it finds and lets the event loop turn before it looks again", () => {
    const next: (() => void)[] = [];
    const poll = new BusyPoll(() => {}, { now: () => 0, nextTurn: (turn) => next.push(turn) });
    const found = [true, false, false, false, true];
    const client: Polled = { poll: () => found.shift()! };
    for (let i = 0; i < 5; i++) poll.came(SHORT, client);
    next.shift()!();
    expect(found).toEqual([false, false, false, true]);
    next.shift()!();
    expect(found).toEqual([true]);
    expect(next).toHaveLength(1);
  });

  test("sleeps, and goes on sleeping for a while, where others compute", () => {
    const scene = new Scene();
    scene.hear(20, SOON_MS);
    expect(scene.awake).toBe(true);
    scene.keptMs = 3;
    scene.pass(0.01);
    expect(scene.awake).toBe(false);
    scene.keptMs = 0;
    scene.hear(50, SOON_MS);
    expect(scene.awake).toBe(false);
    scene.hear(60, SOON_MS);
    expect(scene.awake).toBe(true);
  });
});
