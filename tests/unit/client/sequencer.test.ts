import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  exitedEvent,
  type NumberedEvent,
  type ProcessEvent,
  Sequencer,
} from "../../../lib/client/sequencer.ts";
import type { ReadResult } from "../../../lib/protocol/process.ts";

/** What happened on a server: outputs of these sizes, the exit among them, then closed. */
function historyOf(sizes: readonly number[], exitAt: number): NumberedEvent[] {
  const at = exitAt % (sizes.length + 1);
  const events: NumberedEvent[] = [];
  const exit = (): void =>
    void events.push({ kind: "exited", seq: events.length + 1, exitCode: 7, sandboxDenied: false });
  for (const [i, size] of sizes.entries()) {
    if (i === at) exit();
    const seq = events.length + 1;
    events.push({ kind: "output", seq, stream: "stdout", bytes: new Uint8Array(size).fill(seq) });
  }
  if (at === sizes.length) exit();
  events.push({ kind: "closed", seq: events.length + 1 });
  return events;
}

/** What `process/read` answers when this much has happened and the first outputs are given up. */
function readOf(
  history: readonly NumberedEvent[],
  afterSeq: number,
  options: { givenUp?: number; old?: boolean } = {},
): ReadResult {
  const { givenUp = 0, old = false } = options;
  const output = history.flatMap((event) => (event.kind === "output" && event.seq > afterSeq ? [event] : []));
  const kept = output.filter(({ seq }) => seq > givenUp);
  const lost = output.filter(({ seq }) => seq <= givenUp).reduce((sum, { bytes }) => sum + bytes.length, 0);
  const exited = history.find((event) => event.kind === "exited");
  const lastKept = kept.at(-1)?.seq;
  return {
    chunks: kept.map(({ seq, stream, bytes }) => ({ seq, stream, chunk: bytes })),
    nextSeq: old && lastKept !== undefined ? lastKept + 1 : history.length + 1,
    exited: exited !== undefined,
    exitCode: exited?.kind === "exited" ? exited.exitCode : null,
    closed: history.at(-1)?.kind === "closed",
    failure: null,
    ...(lost > 0 && !old ? { lostBytes: lost } : {}),
  };
}

function collect(): { sequencer: Sequencer; told: ProcessEvent[] } {
  const told: ProcessEvent[] = [];
  return { sequencer: new Sequencer((event) => told.push(event)), told };
}

const history = fc
  .tuple(fc.array(fc.nat({ max: 5 }), { maxLength: 12 }), fc.nat())
  .map(([sizes, at]) => historyOf(sizes, at));
/** A history, and its events in any order, some twice and some not at all. */
const shuffled = history.chain((all) =>
  fc.record({
    all: fc.constant(all),
    arrivals: fc.shuffledSubarray([...all, ...all], { minLength: 0 }),
  }),
);

describe("events in any order", () => {
  test("are delivered once each, in the order of the numbers, as soon as all before them are there", () => {
    fc.assert(
      fc.property(shuffled, ({ all, arrivals }) => {
        const { sequencer, told } = collect();
        const seen = new Set<number>();
        for (const event of arrivals) {
          sequencer.accept(event);
          seen.add(event.seq);
          let whole = 0;
          while (seen.has(whole + 1)) whole++;
          expect(told).toEqual(all.slice(0, whole));
          expect(sequencer.lastSeq).toBe(whole);
          expect(sequencer.closed).toBe(whole === all.length);
          expect(sequencer.stalled).toBe(seen.size > whole);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("an answer to process/read", () => {
  test("fills every hole of lost notifications, the unnumbered exit and end too", () => {
    fc.assert(
      fc.property(shuffled, ({ all, arrivals }) => {
        const { sequencer, told } = collect();
        for (const event of arrivals) sequencer.accept(event);
        expect(sequencer.fill(readOf(all, sequencer.lastSeq), sequencer.lastSeq)).toBe(true);
        expect(told).toEqual(all);
        expect([sequencer.closed, sequencer.stalled]).toEqual([true, false]);
      }),
      { numRuns: 500 },
    );
  });

  test("that was asked for before some events came fills the same", () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), ({ all, arrivals }, when) => {
        const { sequencer, told } = collect();
        const cut = when % (arrivals.length + 1);
        for (const event of arrivals.slice(0, cut)) sequencer.accept(event);
        const afterSeq = sequencer.lastSeq;
        const answer = readOf(all, afterSeq);
        for (const event of arrivals.slice(cut)) sequencer.accept(event);
        sequencer.fill(answer, afterSeq);
        expect(told).toEqual(all);
      }),
      { numRuns: 300 },
    );
  });

  test("of a process that runs on fills what there was, and the rest comes by itself", () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), ({ all, arrivals }, when) => {
        const until = when % all.length;
        const { sequencer, told } = collect();
        for (const event of arrivals) if (event.seq <= until) sequencer.accept(event);
        sequencer.fill(readOf(all.slice(0, until), sequencer.lastSeq), sequencer.lastSeq);
        expect(told).toEqual(all.slice(0, until));
        for (const event of all) sequencer.accept(event);
        expect(told).toEqual(all);
      }),
      { numRuns: 300 },
    );
  });

  test("of a server up to 0.138.0, whose nextSeq follows the last chunk, needs another one for the end, and loses nothing", () => {
    fc.assert(
      fc.property(shuffled, ({ all, arrivals }) => {
        const { sequencer, told } = collect();
        for (const event of arrivals) sequencer.accept(event);
        for (let reads = 0; reads < 3; reads++) {
          if (sequencer.fill(readOf(all, sequencer.lastSeq, { old: true }), sequencer.lastSeq)) break;
        }
        expect(told.filter(({ kind }) => kind === "output")).toEqual(
          all.filter(({ kind }) => kind === "output"),
        );
        expect(told).toEqual(all);
      }),
      { numRuns: 500 },
    );
  });

  test("declares exactly what is lost: each number once, gaps where nothing came and nothing is kept", () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), ({ all, arrivals }, drop) => {
        const { sequencer, told } = collect();
        for (const event of arrivals) sequencer.accept(event);
        const afterSeq = sequencer.lastSeq;
        const givenUp = drop % (all.length + 1);
        const arrived = new Set(arrivals.map(({ seq }) => seq));
        sequencer.fill(readOf(all, afterSeq, { givenUp }), afterSeq);
        const lost = all.filter(
          (event) => event.kind === "output" && event.seq <= givenUp && !arrived.has(event.seq),
        );
        // Each number is told once, as an event or in a gap, in order.
        const numbers = told.flatMap((event) => {
          if (event.kind === "gap") return range(event.firstSeq, event.lastSeq);
          return event.kind === "failed" ? [] : [event.seq];
        });
        expect(numbers).toEqual(range(1, all.length));
        // No output that could be had is missing.
        expect(told.filter(({ kind }) => kind === "output")).toEqual(
          all.filter((event) => event.kind === "output" && !lost.includes(event)),
        );
        expect(told.filter(({ kind }) => kind === "exited")).toHaveLength(1);
        const gaps = told.flatMap((event) => (event.kind === "gap" ? [event] : []));
        const inGaps = gaps.reduce((sum, gap) => sum + gap.lastSeq - gap.firstSeq + 1, 0);
        expect(inGaps).toBe(lost.length);
        // The exit has no number in the answer, so it may stand in for a lost piece; what came in order may not.
        const exitCame = all.some((event) => event.kind === "exited" && arrived.has(event.seq));
        if (exitCame)
          expect(gaps.flatMap((gap) => range(gap.firstSeq, gap.lastSeq))).toEqual(lost.map(({ seq }) => seq));
        const bytes = lost.reduce(
          (sum, event) => sum + (event.kind === "output" ? event.bytes.length : 0),
          0,
        );
        if (gaps.length === 1 && bytes > 0) expect(gaps[0]!.lostBytes ?? 0).toBe(bytes);
        if (gaps.length > 1) expect(gaps.every((gap) => gap.lostBytes === undefined)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("says nothing of bytes when the server is not sure, or when more has come since", () => {
    const all = historyOf([3, 3, 3], 3);
    const one = collect();
    one.sequencer.fill({ ...readOf(all, 0, { givenUp: 1 }), lostBytesIsMinimum: true }, 0);
    expect(one.told[0]).toEqual({ kind: "gap", firstSeq: 1, lastSeq: 1 });
    const other = collect();
    const answer = readOf(all, 0, { givenUp: 2 });
    other.sequencer.accept(all[0]!);
    other.sequencer.fill(answer, 0);
    expect(other.told.slice(0, 2)).toEqual([all[0]!, { kind: "gap", firstSeq: 2, lastSeq: 2 }]);
  });

  test("after closed nothing is told any more", () => {
    const all = historyOf([1], 0);
    const { sequencer, told } = collect();
    for (const event of all) sequencer.accept(event);
    sequencer.accept({ kind: "output", seq: 9, stream: "pty", bytes: new Uint8Array(1) });
    expect(sequencer.fill(readOf(historyOf([1, 1, 1], 0), 0), 0)).toBe(true);
    expect(told).toEqual(all);
  });

  test("an exit by a signal has its name, by notification and by read", () => {
    const ends: ProcessEvent[] = [];
    const sequencer = new Sequencer((event) => void ends.push(event));
    const exit = { exited: true, exitCode: 137, signal: "SIGKILL" };
    sequencer.fill({ chunks: [], nextSeq: 2, ...exit, closed: false, failure: null }, 0);
    expect(ends).toEqual([
      { kind: "exited", seq: 1, exitCode: 137, sandboxDenied: false, signal: "SIGKILL" },
    ]);
    expect(exitedEvent(1, exit)).toEqual(ends[0] as never);
  });

  test("an exit without a code, as from a server that does not know it, is -1", () => {
    const { sequencer, told } = collect();
    sequencer.fill({ ...readOf(historyOf([], 0), 0), exitCode: null, sandboxDenied: true }, 0);
    expect(told).toEqual([
      { kind: "exited", seq: 1, exitCode: -1, sandboxDenied: true },
      { kind: "closed", seq: 2 },
    ]);
  });
});

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
