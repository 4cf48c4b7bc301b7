import { expect, test } from "bun:test";
import { digest, newHasher, sameDigest } from "../../../lib/runtime/digest.ts";

test("digests of the standards' examples", () => {
  expect(digest("sha1", "abc").toHex()).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
  expect(digest("sha256", "abc").toHex()).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  expect(digest("sha256", new Uint8Array([97, 98, 99]))).toEqual(digest("sha256", "abc"));
});

test("in pieces it is the same", () => {
  const hasher = newHasher("sha256");
  for (const piece of ["a", "b", "c"]) hasher.update(piece);
  expect(hasher.digest()).toEqual(digest("sha256", "abc"));
});

test("equal digests are equal", () => {
  expect(sameDigest(digest("sha256", "a"), digest("sha256", "a"))).toBe(true);
  expect(sameDigest(digest("sha256", "a"), digest("sha256", "b"))).toBe(false);
});
