/**
 * The least that a server on Bun can be: it answers in the form of the protocol, does nothing, and writes output that
 * was made beforehand. Compiled and measured beside the others it shows what the client can take and what the runtime
 * alone costs.
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "bun";
import { WebsocketWire } from "./websocket_wire.ts";

interface Data {
  wire: WebsocketWire;
}

if (process.argv.includes("stdio")) await (await import("./line_wire.ts")).serveLines();
else listen();

function listen(): void {
  const server = Bun.listen<Data>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket: Socket<Data>) => {
        socket.setNoDelay(true);
        socket.data = { wire: new WebsocketWire((bytes) => socket.write(bytes)) };
      },
      data: (socket, bytes) => socket.data.wire.received(bytes as Buffer),
      drain: (socket) => socket.data.wire.drain(),
    },
  });
  console.log(`ws://127.0.0.1:${server.port}`);
}
