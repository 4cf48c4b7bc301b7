/**
 * A client on any runtime: runs a command over a connection that may break, and says what came of it.
 * `reader.ts URL TERMINAL COMMAND` with `pipe` or `terminal`; prints `ready` and then one line of JSON.
 */

import { createHash } from "node:crypto";
import process from "node:process";
import { type Client, connectWebsocket, currentRuntime } from "../../mod.ts";

const [url, kind, script] = process.argv.slice(2);
const runtime = await currentRuntime();

async function connected(): Promise<Client> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connectWebsocket(runtime, { url: url!, recovery: { firstDelayMs: 5, maxDelayMs: 50 } });
    } catch (error) {
      if (attempt >= 100) throw error;
    }
  }
}

const client = await connected();
let lost = 0;
client.onConnectionChange((change) => {
  if (change.kind === "lost") lost++;
});
const child = await client.start({
  argv: ["sh", "-c", script!],
  ...(kind === "terminal" ? { terminal: { columns: 80, rows: 24 } } : {}),
});
process.stdout.write("ready\n");
const hash = createHash("sha256");
const told = { bytes: 0, gaps: 0, sha256: "", end: {} as object, lost: 0 };
for await (const event of child) {
  if (event.kind === "gap") told.gaps++;
  if (event.kind !== "output") continue;
  hash.update(event.bytes);
  told.bytes += event.bytes.length;
}
told.sha256 = hash.digest("hex");
told.end = await child.wait();
told.lost = lost;
process.stdout.write(`${JSON.stringify(told)}\n`);
await client.close();
