import { describe, expect, test } from "bun:test";
import { Flood } from "../../../lib/runtime/flood.ts";

const KIB = 1024;

function flood(enlarge: (bytes: number) => boolean = () => true): { source: Flood; pass(ms: number): void } {
  let now = 0;
  return {
    source: new Flood(enlarge, () => now),
    pass: (ms) => {
      now += ms;
    },
  };
}

/** Brings bytes, in pieces of 16 KiB, and answers how long the source is left alone then. */
function bring(source: Flood, bytes: number): number {
  for (let left = bytes; left > 0; left -= 16 * KIB) source.took(Math.min(left, 16 * KIB));
  return source.restMs();
}

describe("a source that floods", () => {
  test("is left alone for a millisecond after 128 KiB within 3 ms, in a pipe of 1 MiB", () => {
    const asked: number[] = [];
    const { source, pass } = flood((bytes) => asked.push(bytes) > 0);
    const rests: number[] = [];
    for (let i = 0; i < 8; i++) {
      rests.push(bring(source, 8 * KIB));
      pass(0.1);
    }
    expect(rests).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(bring(source, 64 * KIB)).toBe(1);
    expect(asked).toEqual([1024 * KIB]);
    source.end();
  });

  test("is not one that answers quickly but little, or much but slowly", () => {
    const { source, pass } = flood();
    for (let i = 0; i < 1000; i++) {
      source.expectAnswer();
      expect(bring(source, 100)).toBe(0);
      pass(0.05);
    }
    pass(100);
    for (let i = 0; i < 100; i++) {
      expect(bring(source, 64 * KIB)).toBe(0);
      pass(3.1);
    }
    source.end();
  });

  test("is one too that writes 32 times within 3 ms without being asked, however little", () => {
    const { source, pass } = flood();
    const write = (): number => {
      pass(0.09);
      return bring(source, 64);
    };
    expect(Array.from({ length: 31 }, write)).toEqual(new Array(31).fill(0));
    expect(write()).toBe(1);
    source.expectAnswer();
    expect(Array.from({ length: 31 }, write)).toEqual(new Array(31).fill(0));
    pass(3.1);
    expect(Array.from({ length: 32 }, write)).toEqual(new Array(32).fill(0));
    source.end();
  });

  test("goes on being one for as long as a rest brings 16 KiB", () => {
    const { source, pass } = flood();
    const rest = (bytes: number): number => {
      pass(1.2);
      return bring(source, bytes);
    };
    expect(bring(source, 128 * KIB)).toBe(1);
    expect([rest(16 * KIB), rest(20 * KIB), rest(15 * KIB), rest(1)]).toEqual([1, 1, 0, 0]);
    source.end();
  });

  test("is left as it is while its pipe is full whenever it is read", () => {
    const { source } = flood();
    for (let i = 0; i < 100; i++) {
      source.took(64 * KIB);
      source.took(64 * KIB);
      expect(source.restMs()).toBe(0);
    }
    source.end();
  });

  test("is read at once again after a rest that brought little", () => {
    const { source, pass } = flood();
    expect(bring(source, 200 * KIB)).toBe(1);
    pass(1);
    expect(bring(source, 10)).toBe(0);
    source.end();
  });

  test("is read as ever where the pipe cannot be made larger, and is asked once", () => {
    let asked = 0;
    const { source } = flood(() => ++asked === 0);
    for (let i = 0; i < 5; i++) expect(bring(source, 1024 * KIB)).toBe(0);
    expect(asked).toBe(1);
    source.end();
  });

  test("at most two pipes are large, and those that end make room", () => {
    const sources = Array.from({ length: 3 }, () => flood().source);
    expect(sources.map((source) => bring(source, 128 * KIB))).toEqual([1, 1, 0]);
    sources[1]!.end();
    expect(bring(sources[2]!, 128 * KIB)).toBe(1);
    for (const source of sources) source.end();
    for (const source of sources) source.end();
    const next = flood().source;
    expect(bring(next, 128 * KIB)).toBe(1);
    next.end();
  });
});
