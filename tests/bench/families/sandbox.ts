/** What confinement costs: short processes and small writes under a policy. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readOnly, workspaceWrite } from "../../support/sandbox.ts";
import { type Bench, type Case, type Family, figure } from "../figure.ts";
import { quantile, samples } from "../statistics.ts";

/** Both servers do all of it, or what they use for it could not be compared: a peer that is slow would do less. */
const MAX_MS = 30_000;

/** The work folder of a confined request. */
function workspace(bench: Bench): string {
  const path = join(bench.folder, "workspace");
  mkdirSync(path, { recursive: true });
  return path;
}

function start(id: string, mode: string, policy: (workspace: string) => object): Case {
  return {
    figures: [figure(id, `/bin/true under ${mode}, start to closed, p50`, "ms", "lower")],
    run: async (bench) => {
      const sandbox = policy(workspace(bench));
      const run = async (): Promise<void> => {
        const process = await bench.link.start(["/bin/true"], { sandbox });
        await process.closed(0);
      };
      await samples({ most: 3, least: 3, maxMs: 1000 }, run);
      return [quantile(await samples({ most: bench.size(50), least: 5, maxMs: MAX_MS }, run), 0.5) / 1000];
    },
  };
}

const firstWrite: Case = {
  figures: [
    figure("sandbox.first_write_ms", "fs/writeFile under workspace-write, the first", "ms", "lower"),
    figure("sandbox.write_ms", "fs/writeFile under workspace-write, later ones, p50", "ms", "lower"),
  ],
  run: async (bench) => {
    const folder = workspace(bench);
    const path = pathToFileURL(join(folder, "file")).href;
    const dataBase64 = Buffer.alloc(1000, "new ").toString("base64");
    const ask = (): Promise<unknown> =>
      bench.link.call("fs/writeFile", { path, dataBase64, sandbox: workspaceWrite(folder) });
    const [first] = await samples({ most: 1, least: 1, maxMs: 5000 }, ask);
    const later = await samples({ most: bench.size(100), least: 5, maxMs: MAX_MS }, ask);
    return [first! / 1000, quantile(later, 0.5) / 1000];
  },
};

export const sandbox: Family = {
  name: "sandbox",
  title: "Sandboxes",
  transport: "websocket",
  methods: ["fs/writeFile"],
  programs: ["bwrap"],
  cases: [
    start("sandbox.read_only_ms", "read-only", readOnly),
    start("sandbox.workspace_ms", "workspace-write", workspaceWrite),
    firstWrite,
  ],
};
