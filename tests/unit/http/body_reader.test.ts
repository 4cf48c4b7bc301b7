/** How much of bodies waits for who reads them. */

import { expect, test } from "bun:test";
import { BodyReader } from "../../../lib/http/body_reader.ts";
import { HttpFailure } from "../../../lib/http/failure.ts";

const KIB = 1024;

class Source {
  paused = false;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  destroy(): void {}
}

function bodies(count: number): { body: BodyReader; source: Source }[] {
  return Array.from({ length: count }, () => {
    const source = new Source();
    return { source, body: new BodyReader(source, undefined) };
  });
}

const gone = new HttpFailure("cancelled", "the test is over");

test("an origin is held back while half a MiB waits, until half of that has been read", async () => {
  const [{ body, source }] = bodies(1) as [{ body: BodyReader; source: Source }];
  body.push(new Uint8Array(511 * KIB));
  expect(source.paused).toBe(false);
  for (const length of [1, 200, 1]) body.push(new Uint8Array(length * KIB));
  expect(source.paused).toBe(true);
  expect((await body.read())!.length).toBe(511 * KIB);
  expect(source.paused).toBe(false);
  body.destroy(gone);
});

test("many bodies together: who has something waiting is held back, and goes on once that has been read", async () => {
  const many = bodies(50);
  for (const { body } of many) body.push(new Uint8Array(100 * KIB));
  // The 41st makes it 4 MiB.
  expect(many.map(({ source }) => source.paused)).toEqual(many.map((_, n) => n >= 40));
  for (const { body } of many) expect((await body.read())!.length).toBe(100 * KIB);
  expect(many.some(({ source }) => source.paused)).toBe(false);
  for (const { body } of many) body.destroy(gone);
});

test("what is given up, dropped or taken whole does not hold back others", () => {
  const [given, dropped, taken, last] = bodies(4).map(({ body }) => body);
  for (const body of [given!, dropped!, taken!]) body.push(new Uint8Array(2048 * KIB));
  given!.destroy(gone);
  dropped!.drop();
  taken!.complete();
  expect(taken!.takeWhole()!.length).toBe(2048 * KIB);
  const source = new Source();
  const other = new BodyReader(source, undefined);
  other.push(new Uint8Array(1));
  expect(source.paused).toBe(false);
  for (const body of [dropped!, last!, other]) body.destroy(gone);
});
