/** A client that says how far it has read, until it is killed. */

import { connectWebsocket, currentRuntime } from "../../mod.ts";

const [url, lines] = process.argv.slice(2);
const client = await connectWebsocket(await currentRuntime(), { url: url! });
const script = `i=0; while [ $i -lt ${lines} ]; do seq $((i+1)) $((i+500)); i=$((i+500)); sleep 0.02; done; exit 7`;
const child = await client.start({ argv: ["sh", "-c", script] });
let text = "";
for await (const event of child) {
  if (event.kind !== "output") continue;
  // What is told must be whole lines: the next piece goes on where this one ends.
  text += Buffer.from(event.bytes).toString();
  const report = { sessionId: client.sessionId, processId: child.id, lastSeq: event.seq, text };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
await new Promise(() => {});
