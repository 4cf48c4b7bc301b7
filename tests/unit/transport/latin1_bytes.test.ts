import { expect, test } from "bun:test";
import { latin1Bytes } from "../../../lib/transport/latin1_bytes.ts";

test("every character is its byte, however long the text is", () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  for (const length of [0, 1, 256, 131_072, 131_073]) {
    const text = all.repeat(Math.ceil(length / 256)).slice(0, length);
    const bytes = latin1Bytes(text);
    expect(bytes.length).toBe(length);
    expect(Buffer.from(bytes).equals(Buffer.from(text, "latin1"))).toBe(true);
  }
});
