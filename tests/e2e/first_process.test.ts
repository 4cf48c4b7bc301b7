/** What the server on Bun loads for its first process: each module of Node would add a millisecond to it. */

import { expect, test } from "bun:test";
import { join } from "node:path";
import { within } from "../support/deadline.ts";
import { root } from "../support/programs.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";
import { ServerFolder, servers } from "../support/servers.ts";

test.skipIf(process.platform !== "linux")("a first process needs no files by way of Node", async () => {
  expect(await askedFor(["/bin/true"])).not.toContain("asked for node:fs");
  // To look a program up takes more than there is without it.
  expect(await askedFor(["true"])).toContain("asked for node:fs");
});

/** The modules that a server asks for when it runs one process, to its end. */
async function askedFor(argv: string[]): Promise<string> {
  const bun = servers.find(({ id }) => id === "bun")!;
  const [program, ...args] = bun.command;
  const log = join(root, "tests", "support", "module_log.ts");
  const folder = new ServerFolder();
  try {
    const client = RawClient.stdio({ ...bun, command: [program!, "--preload", log, ...args] }, folder);
    await client.call("initialize", { clientName: "test" });
    client.notify("initialized", {});
    const params = { argv, cwd: folder.work, env: { PATH: "/usr/bin:/bin" }, tty: false };
    await within(8000, `end of ${argv[0]}`, (await new RawProcess(client).start(params)).closed());
    await client.close();
    return client.running.stderr;
  } finally {
    await folder.remove({ strict: false });
  }
}
