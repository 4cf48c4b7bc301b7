/** Digests. Not by `node:crypto` on Bun, where it costs a start 2 ms and 7 MB; the runtime's own does the same. */

import process from "node:process";

/** A digest of bytes that come piece by piece. */
export interface Hasher {
  update(data: string | Uint8Array): unknown;
  digest(): Uint8Array;
}

export function newHasher(algorithm: "sha1" | "sha256"): Hasher {
  if ("Bun" in globalThis) return new Bun.CryptoHasher(algorithm);
  return process.getBuiltinModule("node:crypto").createHash(algorithm);
}

/** The digest of bytes, or of a text as UTF-8. */
export function digest(algorithm: "sha1" | "sha256", data: string | Uint8Array): Uint8Array {
  // One call in place of four. Its type leaves open which kind of array it makes.
  if ("Bun" in globalThis) return (algorithm === "sha1" ? Bun.SHA1 : Bun.SHA256).hash(data) as Uint8Array;
  const hasher = newHasher(algorithm);
  hasher.update(data);
  return hasher.digest();
}

/** HMAC with SHA-256 (RFC 2104). */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  const hasher: Hasher =
    "Bun" in globalThis
      ? new Bun.CryptoHasher("sha256", key)
      : process.getBuiltinModule("node:crypto").createHmac("sha256", key);
  hasher.update(data);
  return hasher.digest();
}

/** Whether two digests are equal, in a time that does not tell where they differ. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return process.getBuiltinModule("node:crypto").timingSafeEqual(a, b);
}
