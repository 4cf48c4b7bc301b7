/** A network link that goes down and comes back: the system tells nobody, and packets are lost. Needs root and `ip`. */

import { type Client, connectWebsocket, currentRuntime } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { type Server, ServerFolder } from "../support/servers.ts";

export interface CableFigures {
  /** From the break to the moment at which the side knows. */
  clientSeconds: number;
  serverSeconds: number;
  /** Until the client had its session again, the link being back after `downMs`. */
  resumedSeconds: number;
  linesRead: number;
}

const LINES = 2000;
const serverAddress = "10.231.7.1";

function ip(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...args]);
  if (exitCode !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
}

/**
 * The server runs in a network namespace of its own.
 * @throws {Error} A side did not notice within a minute, the session was lost, or output is missing.
 */
export async function pulledCable(server: Server, downMs: number): Promise<CableFigures> {
  const name = `exec-${process.pid}`;
  const link = `ex${process.pid}`;
  const folder = new ServerFolder();
  ip("netns", "add", name);
  try {
    ip("link", "add", link, "type", "veth", "peer", "name", "inside", "netns", name);
    ip("addr", "add", "10.231.7.2/24", "dev", link);
    ip("link", "set", link, "up");
    ip("-n", name, "addr", "add", `${serverAddress}/24`, "dev", "inside");
    ip("-n", name, "link", "set", "inside", "up");
    const listen = ["--listen", `ws://${serverAddress}:0`, "--allow-unauthenticated", "--verbose"];
    const child = Bun.spawn(["ip", "netns", "exec", name, ...server.command, ...listen], {
      cwd: folder.work,
      env: folder.env(),
      stdout: "pipe",
      stderr: "pipe",
    });
    try {
      const { value } = await within(10_000, "address", child.stdout.getReader().read());
      return await through(new TextDecoder().decode(value).trim(), child.stderr, link, downMs);
    } finally {
      child.kill("SIGTERM");
      await child.exited;
    }
  } finally {
    ip("netns", "delete", name);
    await folder.remove({ strict: false });
  }
}

async function through(
  url: string,
  log: ReadableStream<Uint8Array>,
  link: string,
  downMs: number,
): Promise<CableFigures> {
  const client = await connectWebsocket(await currentRuntime(), { url });
  try {
    const script = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 8`;
    const child = await client.start({ argv: ["sh", "-c", script] });
    const text = new Response(child.stdout).text();
    const [lost, resumed] = [changeOf(client, "lost"), changeOf(client, "resumed")];
    const from = performance.now();
    const seconds = (): number => (performance.now() - from) / 1000;
    ip("link", "set", link, "down");
    const serverLost = lineWith(log, "disconnected").then(seconds);
    const back = Bun.sleep(downMs).then(() => ip("link", "set", link, "up"));
    const clientSeconds = await within(70_000, "notice by the client", lost.then(seconds));
    const serverSeconds = await within(130_000, "notice by the server", serverLost);
    await back;
    const resumedSeconds = await within(60_000, "the session", resumed.then(seconds));
    const lines = (await within(30_000, "the output", text)).trimEnd().split("\n").map(Number);
    if (lines.length !== LINES || lines.some((line, i) => line !== i + 1))
      throw new Error(`Of ${LINES} lines came ${lines.length}`);
    const end = await child.wait();
    if (end.kind !== "exited" || end.exitCode !== 8) throw new Error(JSON.stringify(end));
    return { clientSeconds, serverSeconds, resumedSeconds, linesRead: lines.length };
  } finally {
    await client.close();
  }
}

function changeOf(client: Client, kind: "lost" | "resumed"): Promise<void> {
  return new Promise((resolve, reject) => {
    client.onConnectionChange((change) => change.kind === kind && resolve());
    client.closed.then((reason) => reject(new Error(reason.message)));
  });
}

async function lineWith(stream: ReadableStream<Uint8Array>, text: string): Promise<void> {
  const decoder = new TextDecoder();
  let seen = "";
  for await (const bytes of stream) {
    seen += decoder.decode(bytes, { stream: true });
    if (seen.includes(text)) return;
  }
  throw new Error(`The server ended without a line with ${JSON.stringify(text)}: ${seen}`);
}
