/** A large file up and down by `exec-server cp`, over a connection that is cut: it goes on, and nobody holds the file. */

import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../support/cli.ts";
import { within } from "../support/deadline.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { memoryOf } from "../support/proc.ts";
import { randomFrom } from "../support/random.ts";

const MiB = 1024 * 1024;
/** At a cut eight blocks at the most have no answer, and what a block is wrapped in is small. */
const LOST_BYTES_PER_CUT = 9 * MiB;
const LOOK_MS = 50;

export interface LargeCopyOptions {
  /** Of the server. */
  url: string;
  /** Of the server, whose memory is looked at. */
  pid: number;
  seed: number;
  /** Of the file; whole MiB. */
  totalBytes: number;
  /** On each way. */
  cuts: number;
  limitMs?: number;
}

/** Of one way. */
interface WayFigures {
  cuts: number;
  /** That passed the proxy that way. */
  sentBytes: number;
  clientPeakMiB: number;
  serverPeakMiB: number;
  seconds: number;
}

export interface LargeCopyFigures {
  up: WayFigures;
  down: WayFigures;
}

/** @throws {Error} A copy failed, differs, was begun anew or sent more than the cuts explain. */
export async function largeCopy(options: LargeCopyOptions): Promise<LargeCopyFigures> {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  try {
    const [source, there, back] = ["source", "there", "back"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const wanted = makeFile(source, options);
    const up = await copyOver(options, folder, "up", [source, `far:${there}`]);
    if ((await digestOf(there)) !== wanted) throw new Error("What went up is not the file");
    const down = await copyOver(options, folder, "down", [`far:${there}`, back]);
    if ((await digestOf(back)) !== wanted) throw new Error("What came down is not the file");
    return { up, down };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function copyOver(
  { url, pid, seed, totalBytes, cuts, limitMs = 240_000 }: LargeCopyOptions,
  folder: string,
  way: "up" | "down",
  files: readonly string[],
): Promise<WayFigures> {
  const part = totalBytes / (cuts + 1);
  // All cuts come before the end of the file.
  const range: [number, number] = [0.7 * part, part];
  const proxy = startFaultProxy(url, {
    ...{ seed, halved: 0, stalled: 0, maxCuts: cuts },
    ...(way === "up" ? { cutAfterBytesUp: range } : { cutAfterBytes: range }),
  });
  writeFileSync(join(folder, "environments.toml"), `[[environments]]\nid = "far"\nurl = "${proxy.url}"\n`);
  // Else the highest is that of the way before.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const from = performance.now();
  const client = Bun.spawn([...program, "cp", ...files], {
    env: { ...process.env, CODEX_HOME: folder },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  // Not by its resource usage, which begins with the memory of who started it.
  let clientPeakMiB = 0;
  const look = setInterval(() => {
    try {
      clientPeakMiB = Math.max(clientPeakMiB, memoryOf(client.pid, "VmHWM"));
    } catch {
      // It has ended.
    }
  }, LOOK_MS);
  try {
    const said = new Response(client.stderr).text();
    const status = await within(limitMs, `end of the copy ${way}`, client.exited);
    const figures: WayFigures = {
      cuts: proxy.cuts,
      sentBytes: proxy.bytes[way],
      clientPeakMiB,
      serverPeakMiB: memoryOf(pid, "VmHWM"),
      seconds: (performance.now() - from) / 1000,
    };
    const told = `${JSON.stringify(figures)}; it said: ${await said}`;
    if (status !== 0) throw new Error(`The copy ${way} ended with ${status}: ${told}`);
    if (figures.cuts !== cuts) throw new Error(`${figures.cuts} cuts in place of ${cuts}: ${told}`);
    if (figures.sentBytes > 1.01 * totalBytes + cuts * LOST_BYTES_PER_CUT) {
      throw new Error(`More was sent ${way} than the cuts explain: ${told}`);
    }
    return figures;
  } finally {
    clearInterval(look);
    client.kill("SIGKILL");
    proxy.close();
  }
}

/** Writes a file in which no two MiB are the same; answers its SHA-256. */
function makeFile(path: string, { seed, totalBytes }: LargeCopyOptions): string {
  const random = randomFrom(seed);
  const block = Buffer.alloc(MiB);
  for (let at = 0; at < MiB; at += 4) block.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  const hash = createHash("sha256");
  const fd = openSync(path, "w");
  try {
    for (let at = 0; at < totalBytes; at += MiB) {
      block.writeUInt32LE(at / MiB, 0);
      hash.update(block);
      writeSync(fd, block);
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes as Uint8Array);
  return hash.digest("hex");
}
