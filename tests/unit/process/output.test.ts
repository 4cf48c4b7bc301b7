import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { OutputLog, type RetainedChunk } from "../../../lib/process/output.ts";

/** The same without any cleverness. */
class NaiveLog {
  readonly all: { seq: number; bytes: Uint8Array; gone: boolean }[] = [];
  next = 1;
  readonly maxBytes: number;
  readonly maxChunks: number;

  constructor(maxBytes: number, maxChunks: number) {
    this.maxBytes = maxBytes;
    this.maxChunks = maxChunks;
  }

  append(bytes: Uint8Array): void {
    this.all.push({ seq: this.next++, bytes, gone: false });
    for (;;) {
      const kept = this.kept();
      const size = kept.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
      if (size <= this.maxBytes && kept.length <= this.maxChunks) return;
      kept[0]!.gone = true;
    }
  }
  kept(): { seq: number; bytes: Uint8Array; gone: boolean }[] {
    return this.all.filter(({ gone }) => !gone);
  }
  slice(afterSeq: number, maxBytes: number): { seqs: number[]; lostBytes: number } {
    const seqs: number[] = [];
    let size = 0;
    for (const chunk of this.kept().filter(({ seq }) => seq > afterSeq)) {
      size += chunk.bytes.length;
      if (seqs.length > 0 && size > maxBytes) break;
      seqs.push(chunk.seq);
    }
    const lost = this.all.filter(({ gone, seq }) => gone && seq > afterSeq);
    return { seqs, lostBytes: lost.reduce((sum, { bytes }) => sum + bytes.length, 0) };
  }
}

const seqsOf = (chunks: readonly RetainedChunk[]): number[] => chunks.map(({ seq }) => seq);

/** Bytes up to a number; up to the first retained piece when that is behind it. */
function offsetAfter(naive: NaiveLog, seq: number): number {
  const firstKept = naive.kept()[0]?.seq ?? Number.POSITIVE_INFINITY;
  const counted = naive.all.filter((chunk) => chunk.seq <= seq || chunk.seq < firstKept);
  return counted.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

describe("the output of a process", () => {
  const step = fc.oneof(
    { weight: 30, arbitrary: fc.record({ kind: fc.constant("append" as const), size: fc.nat({ max: 40 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("event" as const), size: fc.constant(0) }) },
    { weight: 15, arbitrary: fc.record({ kind: fc.constant("read" as const), size: fc.nat({ max: 100 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), size: fc.constant(0) }) },
  );

  test("is what a naive log has, for any appends and reads: bounds, order, and lostBytes to the byte", () => {
    const bound = fc.nat({ max: 120 });
    fc.assert(
      fc.property(
        bound,
        fc.integer({ min: 1, max: 10 }),
        fc.array(step, { maxLength: 80 }),
        (maxBytes, maxChunks, steps) => {
          const log = new OutputLog({ maxBytes, maxChunks });
          const naive = new NaiveLog(maxBytes, maxChunks);
          let total = 0;
          for (const { kind, size } of steps) {
            if (kind === "append") {
              const bytes = new Uint8Array(size).fill(naive.next);
              expect(log.append("stdout", bytes)).toBe(naive.next);
              naive.append(bytes);
              total += size;
            } else if (kind === "event") {
              expect(log.takeSeq()).toBe(naive.next++);
            } else if (kind === "drop") {
              log.dropAll();
              for (const chunk of naive.all) chunk.gone = true;
            } else {
              for (const afterSeq of [size % (naive.next + 2), 0, naive.next - 1]) {
                for (const limit of [size, 0, Number.POSITIVE_INFINITY]) {
                  const { chunks, lostBytes, lostBytesIsMinimum } = log.slice(afterSeq, limit);
                  expect({ seqs: seqsOf(chunks), lostBytes }).toEqual(naive.slice(afterSeq, limit));
                  expect(lostBytesIsMinimum).toBe(false);
                  for (const chunk of chunks) {
                    expect(chunk.bytes.every((byte) => byte === chunk.seq % 256)).toBe(true);
                    expect(chunk.bytes.length).toBe(
                      naive.all.find(({ seq }) => seq === chunk.seq)!.bytes.length,
                    );
                  }
                }
                expect(log.offsetAfter(afterSeq)).toBe(offsetAfter(naive, afterSeq));
                expect(log.hasAfter(afterSeq)).toBe(naive.all.some(({ seq }) => seq > afterSeq));
              }
            }
            const retained = naive.kept().reduce((sum, { bytes }) => sum + bytes.length, 0);
            expect([log.nextSeq, log.retainedBytes, log.totalBytes]).toEqual([naive.next, retained, total]);
            expect(log.retainedBytes).toBeLessThanOrEqual(maxBytes);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("keeps at most 50000 pieces, as the peer does, and each in its stream", () => {
    const log = new OutputLog({ maxBytes: 1e9 });
    for (let i = 0; i < 50_001; i++) log.append(i % 2 === 0 ? "stdout" : "stderr", new Uint8Array(1));
    const { chunks, lostBytes } = log.slice(0, Number.POSITIVE_INFINITY);
    expect([chunks.length, chunks[0]!.seq, chunks[0]!.stream, chunks[1]!.stream, lostBytes]).toEqual([
      50_000,
      2,
      "stderr",
      "stdout",
      1,
    ]);
  });

  test("says that more may be lost when the reader's place is too long ago", () => {
    const log = new OutputLog({ maxBytes: 10, maxChunks: 1 });
    for (let i = 0; i < 140_000; i++) log.append("stdout", new Uint8Array(2));
    const gone = 2 * 139_999;
    expect(log.slice(0, 100)).toMatchObject({ lostBytes: gone, lostBytesIsMinimum: false });
    const long = log.slice(5, 100);
    expect(long.lostBytesIsMinimum).toBe(true);
    expect(long.lostBytes).toBeLessThanOrEqual(gone - 10);
    expect(long.lostBytes).toBeGreaterThan(2 * 65_000);
    expect(log.slice(139_000, 100)).toMatchObject({ lostBytes: 2 * 999, lostBytesIsMinimum: false });
    expect(log.slice(139_999, 100)).toMatchObject({ lostBytes: 0, lostBytesIsMinimum: false });
    expect(seqsOf(log.slice(139_999, 100).chunks)).toEqual([140_000]);
  });

  test("many thousand small reads of a long log are quick", () => {
    const log = new OutputLog({ maxBytes: 1e9 });
    for (let i = 0; i < 50_000; i++) log.append("pty", new Uint8Array(1));
    const from = performance.now();
    for (let seq = 0; seq < 50_000; seq++) log.slice(seq, 1);
    expect(performance.now() - from).toBeLessThan(1000);
  });
});
