/** The real codex clients, with our server as their only environment. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { startModelProvider } from "../support/model_provider.ts";

const root = join(import.meta.dir, "..", "..");
const clients = [
  ["0.138.0", process.env.EXEC_SERVER_CODEX_138],
  ["0.169.0", process.env.EXEC_SERVER_CODEX_169],
] as const;

/** The compiled executable where the tests made one, else the sources. */
const program = process.env.EXEC_SERVER_BIN
  ? [process.env.EXEC_SERVER_BIN]
  : [process.execPath, "--no-env-file", join(root, "cli.ts")];

describe("codex exec runs its commands on our server", () => {
  let server: Bun.Subprocess<"ignore", "pipe", "inherit">;
  let url = "";

  beforeAll(async () => {
    server = Bun.spawn([...program, "serve", "--listen", "ws://127.0.0.1:0"], {
      env: { ...process.env, ONLY_THE_SERVER_HAS: "this" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const { value } = await server.stdout.getReader().read();
    url = new TextDecoder().decode(value).trim();
  });

  afterAll(async () => {
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });

  for (const [version, codex] of clients) {
    test.skipIf(!codex)(
      `client ${version}: output, exit status and both streams reach the model (needs the release)`,
      async () => {
        const model = startModelProvider([
          { command: 'echo "has $ONLY_THE_SERVER_HAS"' },
          { command: "exit 3" },
          { command: "seq 1 200000 | tail -1; echo err >&2" },
          { say: "all done" },
        ]);
        // Codex makes no helper links below the temporary folder, and says so on stderr each time.
        const home = mkdtempSync(join(homedir(), ".exec-server-test-"));
        try {
          writeFileSync(
            join(home, "config.toml"),
            `model = "fake"\nmodel_provider = "fake"\n[model_providers.fake]\nname = "fake"\nbase_url = "${model.url}"\nwire_api = "responses"\n`,
          );
          writeFileSync(
            join(home, "environments.toml"),
            `default = "box"\ninclude_local = false\n[[environments]]\nid = "box"\nurl = "${url}"\n`,
          );
          const flags = ["--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check"];
          const client = Bun.spawn([codex!, "exec", ...flags, "do it"], {
            env: { ...process.env, CODEX_HOME: home },
            cwd: "/tmp",
            stdin: "ignore",
            stdout: "pipe",
            stderr: "ignore",
            timeout: 60_000,
          });
          expect((await new Response(client.stdout).text()).trim()).toBe("all done");
          expect(await client.exited).toBe(0);
          expect(model.outputs).toHaveLength(3);
          expect(model.outputs[0]).toContain("has this");
          expect(model.outputs[1]).toContain("exited with code 3");
          expect(model.outputs[2]).toContain("200000");
          expect(model.outputs[2]).toContain("err");
        } finally {
          model.close();
          rmSync(home, { recursive: true, force: true });
        }
      },
      90_000,
    );
  }
});
