/** Long messages that are base64 for the most part, read without making a text of it first. */

import { Buffer } from "node:buffer";
import { base64Members } from "../protocol/base64.ts";
import { MalformedMessage, type Message, parseMessage } from "./message.ts";
import { giveBack, messageBytes } from "./reusable_memory.ts";

/** Shorter messages gain nothing. */
export const LONG_MESSAGE_BYTES = 4096;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** The long text comes early, or it is not looked for any longer. */
const MAX_STRINGS_BEFORE = 32;
/** Stands for the text; nobody can know it, so where it is found it is ours. Made for the first long message. */
let standIn: string | undefined;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * What `parseMessage` makes of the text, but that one member that the protocol has as base64 is bytes already. Undefined
 * when the message is not of that kind, or is wrong in any way, which is for `parseMessage` to tell.
 *
 * The parts before and behind the long text are parsed with a short one in its place. Four passes over the text, as
 * UTF-8, for escapes, as JSON and for white space, cost more than to decode it.
 */
export function parseLongMessage(bytes: Uint8Array): Message | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = longString(buffer);
  if (!found) return undefined;
  const [start, end] = found;
  standIn ??= `base64 ${crypto.randomUUID()}`;
  let message: Message;
  try {
    const before = decoder.decode(buffer.subarray(0, start));
    message = parseMessage(`${before}${standIn}${decoder.decode(buffer.subarray(end))}`);
  } catch (error) {
    if (error instanceof MalformedMessage || error instanceof TypeError) return undefined;
    throw error;
  }
  const holder =
    message.kind === "result" ? message.result : message.kind === "error" ? null : message.params;
  if (typeof holder !== "object" || holder === null) return undefined;
  const members = holder as Record<string, unknown>;
  // Of a repeated member the last counts, which need not be this one.
  const member = base64Members.find((name) => members[name] === standIn);
  if (member === undefined) return undefined;
  // An escape, or what is no ASCII, is no base64 either.
  const decoded = decodeBase64(buffer.subarray(start, end));
  if (!decoded) return undefined;
  members[member] = decoded;
  return message;
}

/** The text goes through strings of this length. No group of four letters, which are three bytes, may be cut. */
const SLICE_LETTERS = 64 * 1024;
const EQUALS = 0x3d;
const strict = { lastChunkHandling: "strict" } as const;

/** The bytes, in memory for messages; undefined unless it is standard base64 with padding and nothing else. */
function decodeBase64(text: Buffer): Uint8Array | undefined {
  const padding = text[text.length - 1] !== EQUALS ? 0 : text[text.length - 2] !== EQUALS ? 1 : 2;
  const bytes = messageBytes(Math.floor(text.length / 4) * 3 - padding);
  let done = 0;
  try {
    for (let at = 0; at < text.length; at += SLICE_LETTERS) {
      const room = bytes.subarray(done);
      const letters = text.toString("latin1", at, at + SLICE_LETTERS);
      done += room.setFromBase64(letters, strict).written;
      // Padding before the end, or white space, which the decoder skips and the protocol does not allow.
      if (done !== Math.min(bytes.length, ((at + SLICE_LETTERS) / 4) * 3)) break;
    }
    if (done === bytes.length && text.length % 4 === 0) return bytes;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  giveBack(bytes);
  return undefined;
}

/** Where the first long string is, without its quotes; undefined when there is none, or an escape before it. */
function longString(buffer: Buffer): [start: number, end: number] | undefined {
  let at = 0;
  for (let strings = 0; strings < MAX_STRINGS_BEFORE; strings++) {
    const open = buffer.indexOf(QUOTE, at);
    if (open < 0) return undefined;
    const close = buffer.indexOf(QUOTE, open + 1);
    if (close < 0) return undefined;
    if (close - open > LONG_MESSAGE_BYTES / 2) {
      return buffer.subarray(0, open).includes(BACKSLASH) ? undefined : [open + 1, close];
    }
    at = close + 1;
  }
  return undefined;
}
