/** New connections: connect, handshake, close. */

import { type Case, type Family, figure } from "../figure.ts";
import { makeConnections } from "../raw_connections.ts";

/** Until none of what is measured runs for the first time. */
const WARM_UP = 1000;

function connect(id: string, title: string, count: number, width: number): Case {
  return {
    figures: [figure(`conn.${id}_per_s`, `new connections, ${title}`, "/s", "higher")],
    control: true,
    run: async ({ server, size }) => {
      const url = await server.url();
      makeConnections(url, size(WARM_UP), 1);
      const from = performance.now();
      makeConnections(url, size(count), width);
      return [size(count) / ((performance.now() - from) / 1000)];
    },
  };
}

export const connections: Family = {
  name: "connections",
  title: "New connections",
  transport: "websocket",
  cases: [connect("seq", "one by one", 300, 1), connect("par16", "16 at once", 600, 16)],
};
