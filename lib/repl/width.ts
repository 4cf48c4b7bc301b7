/** How many columns a character takes on a terminal. */

// Wide and fullwidth ranges of Unicode's EastAsianWidth, and emoji that are shown as pictures.
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\ufe0f/u;
const zero = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What the user sees as one character each. */
export function graphemes(text: string): string[] {
  // No joining in plain ASCII, which is nearly everything.
  if (/^[\x20-\x7e\n]*$/.test(text)) return text.split("");
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** A text that was cut, without the half of a character at its end. */
export function withoutHalf(text: string): string {
  return text.replace(/[\ud800-\udbff]$/, "");
}

/** Columns of one grapheme; control characters count as they are shown, like `^A`. */
export function graphemeWidth(grapheme: string): number {
  if (grapheme.length === 1 && grapheme >= " " && grapheme <= "~") return 1;
  if (isControl(grapheme)) return 2;
  if (zero.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

/** Columns of a text without escape sequences. */
export function textWidth(text: string): number {
  return graphemes(text).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

/** What is put on the screen for a grapheme. */
export function shown(grapheme: string): string {
  if (!isControl(grapheme)) return grapheme;
  return grapheme === "\x7f" ? "^?" : `^${String.fromCharCode(grapheme.charCodeAt(0) ^ 0x40)}`;
}

function isControl(grapheme: string): boolean {
  return grapheme < " " || grapheme === "\x7f";
}
