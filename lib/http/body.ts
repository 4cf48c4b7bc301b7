/** The body of an answer on its way to the client: whole, or in pieces that wait for each other. */

import { Buffer } from "node:buffer";
import { freeAtOnce } from "../jsonrpc/reusable_memory.ts";
import type { BodyReader } from "./body_reader.ts";
import type { Cancellation } from "./cancellation.ts";
import { bodyError, bodyErrorText, HttpFailure, toFailure } from "./failure.ts";
import type { HttpLink } from "./handlers.ts";

/** Larger bodies have to be streamed: the answer is one message. */
export const MAX_WHOLE_BYTES: number = 128 * 1024 * 1024;
/** The most in one delta. */
export const MAX_DELTA_BYTES: number = 256 * 1024;

/** What a client will take before it has dealt with what it has. */
export interface Window {
  /** No limit when undefined. */
  bytes: number | undefined;
  unacknowledged: { seq: number; bytes: number }[];
  /** Settles at the next acknowledgement. */
  open: PromiseWithResolvers<void> | undefined;
}

/** @throws {RpcError} The body is not whole, or too large. */
export async function readWhole(body: BodyReader, cancellation: Cancellation): Promise<Uint8Array> {
  const whole = body.takeWhole();
  if (whole) return whole;
  const pieces: Uint8Array[] = [];
  let size = 0;
  const release = destroyAtEnd(body, cancellation);
  try {
    for (let piece = await body.read(); piece; piece = await body.read()) {
      size += piece.length;
      if (size > MAX_WHOLE_BYTES) {
        throw new HttpFailure(
          "protocol",
          `it has more than ${MAX_WHOLE_BYTES} bytes: ask with streamResponse`,
        );
      }
      pieces.push(piece);
    }
  } catch (error) {
    const failure = toFailure(error, "protocol");
    body.destroy(failure);
    throw bodyError(failure);
  } finally {
    release();
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size);
}

/** Where deltas go. */
export interface Delivery {
  requestId: string;
  window: Window;
  link: HttpLink;
  cancellation: Cancellation;
}

/** Sends the deltas up to the last one. Never rejects. */
export async function sendBody(body: BodyReader, delivery: Delivery): Promise<void> {
  const { window, link, cancellation } = delivery;
  // By hand, as base64 needs no escaping, and `JSON.stringify` over large pieces costs as much as all the rest.
  const head = `{"method":"http/request/bodyDelta","params":{"requestId":${JSON.stringify(delivery.requestId)},"seq":`;
  let seq = 0;
  const release = destroyAtEnd(body, cancellation);
  try {
    for (let piece = await body.read(); piece; piece = await body.read()) {
      for (let at = 0; at < piece.length; at += MAX_DELTA_BYTES) {
        const delta = piece.subarray(at, at + MAX_DELTA_BYTES);
        // Of all that wait, the first to be woken may take the room there is.
        for (let wait = link.ready(); wait; wait = link.ready()) await cancellation.orEnd(wait);
        if (window.bytes !== undefined) await windowOpen(window, window.bytes, cancellation);
        cancellation.throwIfOver();
        seq++;
        if (window.bytes !== undefined) window.unacknowledged.push({ seq, bytes: delta.length });
        link.sendBase64(`${head}${seq},"deltaBase64":"`, delta, '","done":false,"error":null}}');
      }
      freeAtOnce(piece);
    }
    link.send(`${head}${seq + 1},"deltaBase64":"","done":true,"error":null}}`);
  } catch (error) {
    body.destroy(toFailure(error, "protocol"));
    const text = JSON.stringify(bodyErrorText(toFailure(error, "protocol")));
    link.send(`${head}${seq + 1},"deltaBase64":"","done":true,"error":${text}}}`);
  } finally {
    release();
  }
}

function destroyAtEnd(body: BodyReader, cancellation: Cancellation): () => void {
  const onEnd = (reason: HttpFailure): void => body.destroy(reason);
  if (cancellation.reason) onEnd(cancellation.reason);
  cancellation.add(onEnd);
  return () => cancellation.remove(onEnd);
}

async function windowOpen(window: Window, most: number, cancellation: Cancellation): Promise<void> {
  // At least one delta is always on its way.
  while (window.unacknowledged.length > 0 && waiting(window) >= most) {
    window.open = Promise.withResolvers();
    await cancellation.orEnd(window.open.promise);
  }
}

function waiting({ unacknowledged }: Window): number {
  return unacknowledged.reduce((sum, { bytes }) => sum + bytes, 0);
}
