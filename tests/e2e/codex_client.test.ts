/** The real codex clients, with our server as their only environment. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/deadline.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { type ModelProvider, startModelProvider, type Turn } from "../support/model_provider.ts";
import { beyondTemporary, noBubblewrap } from "../support/sandbox.ts";

const root = join(import.meta.dir, "..", "..");
const clients = [
  ["0.138.0", process.env.EXEC_SERVER_CODEX_138],
  ["0.169.0", process.env.EXEC_SERVER_CODEX_169],
] as const;

/** The compiled executable where the tests made one, else the sources. */
const program = process.env.EXEC_SERVER_BIN
  ? [process.env.EXEC_SERVER_BIN]
  : [process.execPath, "--no-env-file", join(root, "cli.ts")];

describe("codex exec works on our server", () => {
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

  /** Runs `codex exec` in a folder with our server as its only environment, and a model that takes these turns. */
  async function exec(
    codex: string,
    cwd: string,
    turns: readonly Turn[],
    { through = url, confinement = ["--dangerously-bypass-approvals-and-sandbox"] } = {},
  ): Promise<ModelProvider> {
    const model = startModelProvider([...turns, { say: "all done" }]);
    // Codex makes no helper links below the temporary folder, and says so on stderr each time.
    const home = mkdtempSync(join(beyondTemporary, ".exec-server-test-"));
    try {
      writeFileSync(
        join(home, "config.toml"),
        `model = "fake"\nmodel_provider = "fake"\n[model_providers.fake]\nname = "fake"\nbase_url = "${model.url}"\nwire_api = "responses"\n`,
      );
      writeFileSync(
        join(home, "environments.toml"),
        `default = "box"\ninclude_local = false\n[[environments]]\nid = "box"\nurl = "${through}"\n`,
      );
      const flags = [...confinement, "--skip-git-repo-check"];
      const client = Bun.spawn([codex, "exec", ...flags, "do it"], {
        env: { ...process.env, CODEX_HOME: home },
        cwd,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
        timeout: 60_000,
      });
      expect((await new Response(client.stdout).text()).trim()).toBe("all done");
      expect(await client.exited).toBe(0);
      return model;
    } finally {
      model.close();
      rmSync(home, { recursive: true, force: true });
    }
  }

  for (const [version, codex] of clients) {
    test.skipIf(!codex)(
      `client ${version}: output, exit status and both streams reach the model (needs the release)`,
      async () => {
        const { outputs } = await exec(codex!, "/tmp", [
          { command: 'echo "has $ONLY_THE_SERVER_HAS"' },
          { command: "exit 3" },
          { command: "seq 1 200000 | tail -1; echo err >&2" },
        ]);
        expect(outputs).toHaveLength(3);
        expect(outputs[0]).toContain("has this");
        expect(outputs[1]).toContain("exited with code 3");
        expect(outputs[2]).toContain("200000");
        expect(outputs[2]).toContain("err");
      },
      90_000,
    );

    test.skipIf(!codex)(
      `client ${version}: goes on when its connection is cut in the middle of a command (needs the release)`,
      async () => {
        const folder = mkdtempSync(join(tmpdir(), "exec-server-codex-"));
        const proxy = startFaultProxy(url, { seed: 1 });
        const begun = join(folder, "begun");
        const cutting = until(30_000, "the command", () => existsSync(begun)).then(() => proxy.cut());
        try {
          const command = `touch ${begun}; for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.1; done; exit 4`;
          const turns = [{ command }, { command: "echo after the cut" }];
          const { outputs } = await exec(codex!, folder, turns, { through: proxy.url });
          await cutting;
          expect([proxy.cuts, proxy.connections]).toEqual([1, 2]);
          // 0.138.0 takes the command for failed and opens another session; 0.169.0 resumes its own.
          if (version === "0.169.0") {
            for (let i = 1; i <= 9; i++) expect(outputs[0]).toContain(`line ${i}`);
            expect(outputs[0]).toContain("exited with code 4");
          }
          expect(outputs[1]).toContain("after the cut");
        } finally {
          proxy.close();
          rmSync(folder, { recursive: true, force: true });
        }
      },
      90_000,
    );

    test.skipIf(!codex)(
      `client ${version}: patches files, and reads AGENTS.md and skills (needs the release)`,
      async () => {
        const folder = mkdtempSync(join(tmpdir(), "exec-server-codex-"));
        const path = (name: string): string => join(folder, name);
        try {
          mkdirSync(path(".git"));
          writeFileSync(path("AGENTS.md"), "Guidance that is only on the server.\n");
          mkdirSync(path(".agents/skills/brewing"), { recursive: true });
          writeFileSync(
            path(".agents/skills/brewing/SKILL.md"),
            "---\nname: brewing\ndescription: How tea is made here.\n---\n",
          );
          writeFileSync(path("changed"), "one\ntwo\nthree\n", { mode: 0o750 });
          writeFileSync(path("gone"), "");
          // More than 16 MiB in base64, which the real server cannot send.
          writeFileSync(path("large"), `first\n${"x".repeat(99).concat("\n").repeat(140_000)}last\n`);
          // The client carries this out itself, by file requests.
          const patch = (text: string): Turn => ({
            command: `apply_patch <<'END'\n*** Begin Patch\n${text}\n*** End Patch\nEND`,
          });
          const { outputs, prompt } = await exec(codex!, folder, [
            patch("*** Update File: changed\n@@\n one\n-two\n+2\n three"),
            patch("*** Add File: new/deep/file\n+made"),
            patch("*** Delete File: gone"),
            patch("*** Update File: large\n@@\n-first\n+FIRST"),
          ]);
          expect(prompt).toContain("Guidance that is only on the server.");
          expect(prompt).toContain("How tea is made here.");
          expect(outputs.map((output) => /Success/.test(output))).toEqual([true, true, true, true]);
          expect(readFileSync(path("changed"), "utf8")).toBe("one\n2\nthree\n");
          expect(statSync(path("changed")).mode & 0o777).toBe(0o750);
          expect(readFileSync(path("new/deep/file"), "utf8")).toBe("made\n");
          expect(existsSync(path("gone"))).toBe(false);
          expect(readFileSync(path("large"), "utf8")).toStartWith("FIRST\nxxx");
          expect(statSync(path("large")).size).toBe(14_000_011);
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      },
      90_000,
    );
  }

  const codex = process.env.EXEC_SERVER_CODEX_169;
  // 0.138.0 would wrap the command in a program of its own machine.
  test.skipIf(!codex || noBubblewrap !== undefined)(
    "client 0.169.0: a sandboxed turn writes in its folder and nowhere else (needs the release and bubblewrap)",
    async () => {
      // Not below the folder for temporary files, which the policy lets be written.
      const folder = mkdtempSync(join(beyondTemporary, ".exec-server-test-"));
      const work = join(folder, "work");
      mkdirSync(work);
      try {
        const turns = [
          { command: "echo in > inside && cat inside" },
          { command: `echo out > ${join(folder, "outside")}` },
          // Whatever the shell of the user is.
          { command: "bash -c 'echo > /dev/tcp/127.0.0.1/9'" },
        ];
        const { outputs } = await exec(codex!, work, turns, {
          confinement: ["--sandbox", "workspace-write"],
        });
        expect(outputs[0]).toContain("exited with code 0");
        expect(readFileSync(join(work, "inside"), "utf8")).toBe("in\n");
        expect(outputs[1]).toContain("Read-only file system");
        expect(existsSync(join(folder, "outside"))).toBe(false);
        expect(outputs[2]).toContain("Operation not permitted");
        expect(readdirSync(work)).toEqual(["inside"]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    90_000,
  );
});
