/** The codec beside the engine's own functions. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { base64Room, bytesOfBase64, readBase64, writeBase64 } from "../../../lib/jsonrpc/base64_codec.ts";
import { applyMask } from "../../../lib/jsonrpc/mask.ts";
import { root } from "../../support/programs.ts";

const KIB = 1024;
/** Around what is done at a time, and what is too short for it. */
const lengths = [4096, 48 * KIB, 64 * KIB, 96 * KIB].flatMap((length) =>
  [-13, -12, -1, 0, 1, 2, 12, 13].map((more) => length + more),
);

/** Bytes of which no two stretches are alike. */
function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = length; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** What letters are read as, which does not depend on a mask. */
function read(letters: Buffer): Buffer | undefined {
  const [plain, ...others] = [0, 0x12345678, 0xf00dfeed | 0].map((mask) => readUnder(letters, mask));
  for (const other of others)
    expect([other?.equals(plain!), other === undefined]).toEqual([plain && true, !plain]);
  return plain;
}

function readUnder(letters: Buffer, mask: number): Buffer | undefined {
  const masked = Buffer.from(letters);
  applyMask(masked, mask);
  const bytes = Buffer.alloc(Math.max(0, bytesOfBase64(masked, mask)));
  return readBase64(masked, bytes, mask) ? bytes : undefined;
}

describe("base64 from memory to memory", () => {
  test("is what the engine makes of the same bytes, in any memory, and back", () => {
    for (const length of [0, 1, 2, 3, 100, ...lengths]) {
      const bytes = bytesOf(length);
      const base64 = bytes.toString("base64");
      const targets = [Buffer.alloc(base64.length + 7), base64Room(base64.length + 7)];
      expect(targets[1] === undefined).toBe(base64.length + 7 < 4096);
      for (const target of targets) {
        if (!target) continue;
        target.fill(0x2a);
        expect(writeBase64(target, 3, bytes)).toBe(base64.length + 3);
        expect(target.toString("latin1")).toBe(`***${base64}****`);
      }
      expect(read(Buffer.from(base64))).toEqual(bytes);
    }
  });

  test("any bytes come back, whatever the length", () => {
    const property = fc.property(fc.uint8Array({ minLength: 4090, maxLength: 9000 }), (bytes) => {
      const letters = Buffer.alloc(4 * Math.ceil(bytes.length / 3));
      writeBase64(letters, 0, bytes);
      expect(letters.toString("latin1")).toBe(Buffer.from(bytes).toString("base64"));
      expect(read(letters)).toEqual(Buffer.from(bytes));
    });
    fc.assert(property, { numRuns: 100 });
  });

  test("a letter that is none is found wherever it is, and every other is taken", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const letters = Buffer.from(bytesOf(4800).toString("base64"));
    for (let at = 0; at < 40; at++) {
      const before = letters[at]!;
      for (let byte = 0; byte < 256; byte++) {
        letters[at] = byte;
        const isLetter = alphabet.includes(String.fromCharCode(byte));
        expect([at, byte, read(letters) !== undefined]).toEqual([at, byte, isLetter]);
      }
      letters[at] = before;
    }
    for (const at of [70_000, 87_000, 87_379]) {
      const long = Buffer.from(bytesOf(65_536).toString("base64"));
      long[at] = 0x20;
      expect(read(long)).toBeUndefined();
    }
  });

  test("padding belongs to the end, and what it leaves over is zero", () => {
    const base64 = bytesOf(6000).toString("base64");
    for (const wrong of [
      ...[`${base64}====`, `====${base64}`, `${base64}A`, `${base64}AA`, `${base64}AAA`, `${base64}A===`],
      ...[`${base64}AB==`, `${base64}AAB=`, `${base64}=AAA`, `${base64.slice(4)}\nAAA`, `${base64}AA=A`],
    ]) {
      expect([wrong.slice(-6), read(Buffer.from(wrong))]).toEqual([wrong.slice(-6), undefined]);
    }
    expect(read(Buffer.from(`${base64}AA==`))?.length).toBe(6001);
    expect(read(Buffer.from(`${base64}AAA=`))?.length).toBe(6002);
  });

  test("what lies behind the target stays as it is", () => {
    const letters = Buffer.from(bytesOf(48 * KIB).toString("base64"));
    const memory = Buffer.alloc(48 * KIB + 64, 0x2a);
    expect(readBase64(letters, memory.subarray(32, 48 * KIB + 32))).toBe(true);
    expect(memory.subarray(0, 32).equals(Buffer.alloc(32, 0x2a))).toBe(true);
    expect(memory.subarray(-32).equals(Buffer.alloc(32, 0x2a))).toBe(true);
  });

  test("the same without WebAssembly", () => {
    const script = `
      delete globalThis.WebAssembly;
      const { base64Room, readBase64, writeBase64 } = await import("./lib/jsonrpc/base64_codec.ts");
      const bytes = crypto.getRandomValues(new Uint8Array(50_001));
      const letters = Buffer.alloc(66_668);
      const end = writeBase64(letters, 0, bytes);
      const back = new Uint8Array(50_001);
      const isRead = readBase64(letters, back);
      letters[5] = 0x20;
      const same = Buffer.from(bytes).toString("base64");
      console.log(base64Room(9000), end, isRead, Buffer.compare(bytes, back), readBase64(letters, back), same.length);
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { cwd: root, encoding: "utf8" });
    expect(stdout + stderr).toBe("undefined 66668 true 0 false 66668\n");
  });

  test("the module is what its text compiles to", () => {
    const { status, stderr } = spawnSync("node", [join(root, "tools", "wasm.mjs"), "--check"], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
