/** What is wrong with a text that should be base64, in the words of the peer. */

const EQUALS = 61;

/** Members that hold bytes wherever the protocol has them, and that can be long. */
export const base64Members: readonly string[] = ["chunk", "dataBase64", "bodyBase64", "deltaBase64"];

/** Undefined unless it is standard base64 with padding and nothing else. */
export function decodeStrictBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    // The decoder skips white space, which the protocol does not allow.
    return text.length === 4 * Math.ceil(bytes.length / 3) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** `Invalid symbol 45, offset 2.` and its like; offsets count bytes. The text must not be valid. */
export function base64Fault(text: string): string {
  const symbols = new TextEncoder().encode(text);
  const lastGroup = Math.floor((symbols.length - 1) / 4) * 4;
  const end = symbols.findIndex((symbol) => !isSymbol(symbol));
  // The peer looks there first, as a line feed at the end is the commonest fault.
  const last = symbols.at(-1)!;
  if (symbols.length % 4 === 1 && !isSymbol(last) && last !== EQUALS) {
    return `Invalid symbol ${last}, offset ${symbols.length - 1}.`;
  }
  const count = end < 0 ? symbols.length : end;
  if (end >= 0) {
    const isPadding = symbols[end] === EQUALS && end >= lastGroup && end % 4 >= 2;
    if (!isPadding || symbols.subarray(end).some((symbol) => symbol !== EQUALS)) {
      return `Invalid symbol ${symbols[end]}, offset ${end}.`;
    }
  }
  if (count % 4 === 1) return `Invalid input length: ${count}`;
  if (symbols.length % 4 !== 0) return "Invalid padding";
  return `Invalid last symbol ${symbols[count - 1]}, offset ${count - 1}.`;
}

/** Whether a byte is a letter of the standard alphabet. */
function isSymbol(symbol: number): boolean {
  const isLetter = (symbol >= 65 && symbol <= 90) || (symbol >= 97 && symbol <= 122);
  return isLetter || (symbol >= 47 && symbol <= 57) || symbol === 43;
}
