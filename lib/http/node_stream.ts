/** A socket of Node as a stream of the runtime. */

import type { Socket } from "node:net";
import type { ByteStream, StreamHandlers } from "../runtime/runtime.ts";

/** Takes a socket that is connected. @returns What `accept` has made of the stream. */
export function streamOfSocket<T extends StreamHandlers>(
  socket: Socket,
  accept: (stream: ByteStream) => T,
): T {
  const handlers = accept({
    localAddress: socket.localAddress ?? "",
    remoteAddress: socket.remoteAddress ?? "",
    remotePort: socket.remotePort ?? 0,
    get pendingBytes() {
      return socket.writableLength;
    },
    write: (bytes) => void (socket.writable && socket.write(bytes)),
    writeBorrowed: (bytes) => void (socket.writable && socket.write(new Uint8Array(bytes))),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => {
      hasEnded = true;
      socket.end();
    },
    destroy: () => void socket.destroy(),
    keepAwake: (awake) => void (awake ? socket.ref() : socket.unref()),
  });
  let hasEnded = false;
  let failure: Error | undefined;
  socket.on("data", (bytes: Uint8Array) => {
    if (!hasEnded) handlers.data(bytes);
  });
  socket.on("drain", () => handlers.drain());
  socket.on("error", (error) => {
    failure ??= error;
  });
  socket.once("close", () => handlers.close(failure));
  // It may have been closed on the way here, and tells that only once.
  if (socket.destroyed) queueMicrotask(() => handlers.close(failure));
  return handlers;
}
