/** Long messages that are base64 for the most part, read without making a text of it first. */

import { base64Members } from "../protocol/base64.ts";
import { bytesOfBase64, readBase64 } from "./base64_codec.ts";
import { keyAt, unmasked } from "./mask.ts";
import { MalformedMessage, type Message, parseMessage } from "./message.ts";
import { giveBack, messageBytes } from "./reusable_memory.ts";

/** Shorter messages gain nothing. */
export const LONG_MESSAGE_BYTES = 4096;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** The long text comes early, or it is not looked for any longer. */
const MAX_STRINGS_BEFORE = 32;
/** Of a text with a mask so much is looked at on either side of the long one; then, where that was too little, more. */
const EDGES_BYTES = [LONG_MESSAGE_BYTES / 8, LONG_MESSAGE_BYTES / 2];
/** Stands for the text; nobody can know it, so where it is found it is ours. Made for the first long message. */
let standIn: string | undefined;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Where the first long string is, without its quotes, and what is on either side of it. */
interface LongString {
  readonly start: number;
  readonly end: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/**
 * What `parseMessage` makes of the text, but that one member that the protocol has as base64 is bytes already. Undefined
 * when the message is not of that kind, or is wrong in any way, which is for `parseMessage` to tell.
 *
 * The parts before and behind the long text are parsed with a short one in its place. Four passes over the text, as
 * UTF-8, for escapes, as JSON and for white space, cost more than to decode it.
 * @param mask What the text is masked with (RFC 6455, section 5.3): most of it is taken off where it is decoded. A message
 *   with more behind its base64 than at the ends of usual ones is read without a mask only.
 */
export function parseLongMessage(bytes: Uint8Array, mask = 0): Message | undefined {
  if (mask === 0) return messageAround(bytes, mask, longString(bytes));
  for (const edgeBytes of EDGES_BYTES) {
    const message = messageAround(bytes, mask, longStringUnder(bytes, mask, edgeBytes));
    if (message) return message;
  }
  return undefined;
}

function messageAround(bytes: Uint8Array, mask: number, found: LongString | undefined): Message | undefined {
  if (!found) return undefined;
  standIn ??= `base64 ${crypto.randomUUID()}`;
  let message: Message;
  try {
    message = parseMessage(`${decoder.decode(found.before)}${standIn}${decoder.decode(found.after)}`);
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
  // An escape, or what is no ASCII, is no base64 either; nor is a quote, so that the string ends where it was thought to.
  const decoded = decodeBase64(bytes.subarray(found.start, found.end), keyAt(mask, found.start));
  if (!decoded) return undefined;
  members[member] = decoded;
  return message;
}

/** The bytes, in memory for messages; undefined unless it is standard base64 with padding and nothing else. */
function decodeBase64(letters: Uint8Array, mask: number): Uint8Array | undefined {
  const bytes = messageBytes(bytesOfBase64(letters, mask));
  if (readBase64(letters, bytes, mask)) return bytes;
  giveBack(bytes);
  return undefined;
}

/** Undefined when there is none, or an escape before it. */
function longString(text: Uint8Array): LongString | undefined {
  let at = 0;
  for (let strings = 0; strings < MAX_STRINGS_BEFORE; strings++) {
    const open = text.indexOf(QUOTE, at);
    if (open < 0) return undefined;
    const close = text.indexOf(QUOTE, open + 1);
    if (close < 0) return undefined;
    if (close - open > LONG_MESSAGE_BYTES / 2) return cutAt(text, open, text, close);
    at = close + 1;
  }
  return undefined;
}

/**
 * The same by the two ends of the text alone: the string that is open where the first of them ends, up to the first quote
 * of the other.
 */
function longStringUnder(text: Uint8Array, mask: number, edgeBytes: number): LongString | undefined {
  const head = unmasked(text, 0, edgeBytes, mask);
  const tailAt = Math.max(edgeBytes, text.length - edgeBytes);
  const tail = unmasked(text, tailAt, text.length, mask);
  const close = tail.indexOf(QUOTE);
  let open = head.indexOf(QUOTE);
  for (let end = 0; open >= 0 && close >= 0; open = head.indexOf(QUOTE, end + 1)) {
    end = head.indexOf(QUOTE, open + 1);
    if (end < 0) return cutAt(head, open, tail, close, tailAt);
  }
  return undefined;
}

function cutAt(
  head: Uint8Array,
  open: number,
  tail: Uint8Array,
  close: number,
  tailAt = 0,
): LongString | undefined {
  const before = head.subarray(0, open + 1);
  if (before.includes(BACKSLASH)) return undefined;
  return { start: open + 1, end: tailAt + close, before, after: tail.subarray(close) };
}
