/**
 * A message with bytes that are not base64 (docs/protocol.md, "Raw bytes"): a zero, which begins no JSON, the length
 * of the head in four bytes, the head, then the bytes. The head is a message of which one member is left out, and
 * whose own member `raw` names it.
 */

import { Buffer } from "node:buffer";
import { base64Members } from "../protocol/base64.ts";
import { MalformedMessage, type Message, parseMessage } from "./message.ts";

const MARK = 0;
const PREFIX_BYTES = 5;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a binary message is one of these, and not text. */
export function isBinaryMessage(message: Uint8Array): boolean {
  return message[0] === MARK;
}

/** What comes before the bytes. */
export function binaryHead(text: string): Uint8Array {
  const head = Buffer.from(`${"\0".repeat(PREFIX_BYTES)}${text}`);
  head.writeUInt32BE(head.length - PREFIX_BYTES, 1);
  return head;
}

/**
 * The message with its bytes in place, which are a view of what was given.
 * @throws {MalformedMessage} With what is wrong.
 */
export function parseBinaryMessage(message: Uint8Array): Message {
  if (message.length < PREFIX_BYTES) throw new MalformedMessage("the head of a binary message is cut");
  const length = new DataView(message.buffer, message.byteOffset).getUint32(1);
  const end = PREFIX_BYTES + length;
  if (end > message.length) throw new MalformedMessage("the head of a binary message is cut");
  let text: string;
  try {
    text = decoder.decode(message.subarray(PREFIX_BYTES, end));
  } catch {
    throw new MalformedMessage("the head of a binary message is not UTF-8");
  }
  const parsed = parseMessage(text);
  const { raw } = JSON.parse(text) as { raw?: unknown };
  const holder = parsed.kind === "result" ? parsed.result : parsed.kind === "error" ? null : parsed.params;
  // Only where the protocol has bytes: as a map they would be looked at one by one.
  const isBytes = typeof raw === "string" && base64Members.includes(raw);
  if (!isBytes || typeof holder !== "object" || holder === null) {
    throw new MalformedMessage("the head of a binary message does not say what its bytes are");
  }
  (holder as Record<string, unknown>)[raw] = message.subarray(end);
  return parsed;
}
