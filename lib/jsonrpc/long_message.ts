/** Long messages that are base64 for the most part, read without making a text of it first. */

import { Buffer } from "node:buffer";
import { base64Members } from "../protocol/base64.ts";
import { bytesOfBase64, readBase64 } from "./base64_codec.ts";
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

/** The bytes, in memory for messages; undefined unless it is standard base64 with padding and nothing else. */
function decodeBase64(letters: Buffer): Uint8Array | undefined {
  const bytes = messageBytes(bytesOfBase64(letters));
  if (readBase64(letters, bytes)) return bytes;
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
