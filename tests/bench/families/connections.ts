/** New connections: connect, handshake, close. */

import { type Case, type Family, figure } from "../figure.ts";
import { rate } from "../statistics.ts";

function connect(id: string, title: string, count: number, width: number): Case {
  return {
    figures: [figure(`conn.${id}_per_s`, `new connections, ${title}`, "/s", "higher")],
    control: true,
    run: async ({ open, size }) => {
      const once = async (): Promise<void> => await (await open()).close();
      await rate(size(50), 1, once);
      return [await rate(size(count), width, once)];
    },
  };
}

export const connections: Family = {
  name: "connections",
  title: "New connections",
  transport: "websocket",
  cases: [connect("seq", "one by one", 300, 1), connect("par16", "16 at once", 600, 16)],
};
