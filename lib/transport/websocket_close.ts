/** Close frames (RFC 6455, sections 5.5.1 and 7.4). */

import { Buffer } from "node:buffer";
import type { CloseReason } from "../jsonrpc/channel.ts";
import { encodeFrame, opcode } from "./websocket_frames.ts";

/** How the end of a connection is told (RFC 6455, section 7.4.1). */
export const closeStatus: Record<CloseReason["kind"], number> = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  tooBig: 1009,
  timeout: 1008,
  lost: 1011,
};

/** A close frame. */
export function encodeClose(status: number, text: string, mask: boolean): Uint8Array {
  // A control frame holds 125 bytes; the text must not be cut within a character.
  let reason = Buffer.from(text.slice(0, 120));
  if (reason.length > 123) reason = Buffer.from(text.slice(0, 40));
  const payload = Buffer.alloc(2 + reason.length);
  payload.writeUInt16BE(status);
  payload.set(reason, 2);
  return encodeFrame({ fin: true, opcode: opcode.close, payload }, mask);
}

/** What a close frame says: how it is told here, and the status to answer it with. */
export function readClose(payload: Uint8Array): { reason: CloseReason; answer: number } {
  const message = "the other side closed the connection with status";
  if (payload.length === 0) return { reason: { kind: "normal", message: `${message} 1005` }, answer: 1000 };
  const status = payload.length === 1 ? 0 : (payload[0]! << 8) | payload[1]!;
  const text = Buffer.from(payload.subarray(2)).toString();
  const kind = status === 1001 ? "goingAway" : status === 1000 ? "normal" : "lost";
  return {
    reason: { kind, message: `${message} ${status}${text && `: ${text}`}` },
    answer: mayBeSent(status) ? status : closeStatus.protocol,
  };
}

/** The others are not given away, or mean that there was no frame (RFC 6455, section 7.4). */
function mayBeSent(status: number): boolean {
  if (status < 3000) return status >= 1000 && status <= 1014 && !(status >= 1004 && status <= 1006);
  return status < 5000;
}
