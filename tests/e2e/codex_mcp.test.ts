/** The real codex clients with MCP servers that run behind our server: programs, and over HTTP with a lent token. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program } from "../support/cli.ts";
import { everythingServer, missingMcp } from "../support/mcp.ts";
import { FakeMcpServer } from "../support/mcp_http_server.ts";
import { startModelProvider } from "../support/model_provider.ts";
import { codex138, codex169 } from "../support/programs.ts";
import { beyondTemporary } from "../support/sandbox.ts";

describe("codex exec uses MCP servers of our server", () => {
  let server: Bun.Subprocess<"ignore", "pipe", "inherit">;
  let url = "";

  beforeAll(async () => {
    server = Bun.spawn([...program, "serve", "--http-env", "MCP_TOKEN"], {
      env: { ...process.env, MCP_TOKEN: "good" },
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

  const releases = [
    ["0.138.0", codex138, "good"],
    // This one has the server put its own variable in, so the client's does not matter.
    ["0.169.0", codex169, "bad"],
  ] as const;

  for (const [version, codex, clientToken] of releases) {
    const missing = missingMcp ?? ("missing" in codex ? codex.missing : undefined);
    test.skipIf(missing !== undefined)(
      `client ${version}: a program, a server over HTTP, and one through exec-server mcp`,
      async () => {
        const web = new FakeMcpServer({ wantsToken: true });
        const model = startModelProvider([
          { server: "there", tool: "echo", arguments: { message: "by stdio" } },
          { server: "web", tool: "say", arguments: { what: "by http" } },
          { server: "bridge", tool: "echo", arguments: { message: "by bridge" } },
          { say: "all done" },
        ]);
        // Codex makes no helper links below the temporary folder, and says so on stderr each time.
        const home = mkdtempSync(join(beyondTemporary, ".exec-server-test-"));
        mkdirSync(join(home, "bridge"));
        const node = Bun.which("node")!;
        const [command, ...first] = program;
        const bridge = [...first, "mcp", "-e", "local", "--", node, everythingServer, "stdio"];
        try {
          writeFileSync(
            join(home, "config.toml"),
            [
              `model = "fake"\nmodel_provider = "fake"`,
              `[model_providers.fake]\nname = "fake"\nbase_url = "${model.url}"\nwire_api = "responses"`,
              `[mcp_servers.there]\nrequired = true\nenvironment_id = "box"\ncommand = "${node}"\nargs = ["${everythingServer}", "stdio"]\ncwd = "/tmp"`,
              `[mcp_servers.web]\nrequired = true\nenvironment_id = "box"\nurl = "${web.url}"\nbearer_token_env_var = "MCP_TOKEN"`,
              `[mcp_servers.bridge]\nrequired = true\ncommand = "${command}"\nargs = ${JSON.stringify(bridge)}\n[mcp_servers.bridge.env]\nCODEX_HOME = "${join(home, "bridge")}"`,
            ].join("\n"),
          );
          writeFileSync(
            join(home, "environments.toml"),
            `default = "box"\ninclude_local = true\n[[environments]]\nid = "box"\nurl = "${url}"\n`,
          );
          const flags = ["--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check"];
          const client = Bun.spawn([(codex as { path: string }).path, "exec", ...flags, "do it"], {
            env: { ...process.env, CODEX_HOME: home, MCP_TOKEN: clientToken },
            cwd: "/tmp",
            stdin: "ignore",
            stdout: "pipe",
            stderr: "ignore",
            timeout: 60_000,
          });
          expect((await new Response(client.stdout).text()).trim()).toBe("all done");
          expect(await client.exited).toBe(0);
          expect(model.outputs).toHaveLength(3);
          expect(model.outputs[0]).toContain("Echo: by stdio");
          expect(model.outputs[1]).toContain("said by http");
          expect(model.outputs[2]).toContain("Echo: by bridge");
        } finally {
          model.close();
          web.close();
          rmSync(home, { recursive: true, force: true });
        }
      },
      90_000,
    );
  }
});
