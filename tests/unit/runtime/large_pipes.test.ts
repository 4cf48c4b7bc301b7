import { expect, test } from "bun:test";
import { LargePipes } from "../../../lib/runtime/large_pipes.ts";

test("so many pipes are made larger and no more, until one gives its place back", () => {
  const asked: number[] = [];
  const resize = (bytes: number): boolean => asked.push(bytes) > 0;
  const pipes = new LargePipes(2);
  const first = pipes.add(resize);
  expect(pipes.add(() => false)).toBeUndefined();
  const second = pipes.add(resize);
  expect([typeof first, typeof second, pipes.hasRoom]).toEqual(["function", "function", false]);
  expect(pipes.add(resize)).toBeUndefined();
  first!();
  expect([pipes.hasRoom, typeof pipes.add(resize), pipes.hasRoom]).toEqual([true, "function", false]);
  expect(asked).toEqual([1024 * 1024, 1024 * 1024, 1024 * 1024]);
});
