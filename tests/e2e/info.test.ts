/** `environment/info`. */

import { expect } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Harness, suite, verifies } from "../support/harness.ts";
import { loginOf } from "../support/proc.ts";
import { type Json, StdioClient } from "../support/raw_client.ts";
import type { LaunchOptions } from "../support/servers.ts";

/** What our server says that it can do, beyond the common methods. Clients rely on each word. */
const capabilities = {
  processCloseStdin: true,
  processResize: true,
  processSignals: true,
  processOutputWindow: true,
  processSandbox: true,
  processTerminateGrace: true,
  httpRequestCancel: true,
  httpResponseWindow: true,
  processList: true,
  processStartOnce: true,
  sessionAttach: true,
  processLimits: true,
  processTrees: true,
  fileWriteStreaming: true,
  sandboxedFileStreaming: true,
  fsAtomicWrite: true,
  fsChmod: true,
  fsHash: true,
  fsListLinks: true,
  fsWatchMissing: true,
  fsWatch: true,
  fsSearch: true,
  fsRename: true,
  fsResume: true,
  fsSymlink: true,
};

async function infoOf(t: Harness, options: LaunchOptions): Promise<Json> {
  const client = await new StdioClient(t.server, t.folder, options).initialize();
  const info = await client.call("environment/info");
  await client.close();
  return info;
}

const uri = (path: string): string => pathToFileURL(path).href;

suite("info", { transports: ["stdio"] }, (t) => {
  verifies("environment/info: names the login shell, not that of SHELL", async () => {
    const login = loginOf(process.getuid!()).shell;
    for (const SHELL of [undefined, "/bin/zsh", "/no/such"]) {
      const info = await infoOf(t, { env: { SHELL } });
      expect(info.shell).toEqual({ name: basename(login), path: login });
    }
  });

  verifies(
    "environment/info: says where it is, whose home and which folder for temporary files",
    async () => {
      const info = await infoOf(t, {});
      if (t.difference("environment/info")) {
        expect(Object.keys(info)).toEqual(["shell"]);
        return;
      }
      const {
        shell: _,
        executorVersion,
        providerId,
        capabilities: __,
        prependPathDirs,
        sandbox,
        ...rest
      } = info;
      expect(sandbox === undefined).toBe(!t.ours);
      // The peer has a folder of helpers beside it.
      expect(prependPathDirs.length).toBe(t.ours ? 0 : 1);
      expect(executorVersion).toMatch(/^\d+\.\d+\.\d+/);
      expect(providerId).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(rest).toEqual({
        cwd: uri(t.folder.work),
        userHomeDir: uri(t.folder.home),
        platformOs: "linux",
        temporaryDirectories: [uri(t.folder.temporary)],
        tempDir: uri(t.folder.temporary),
      });
      const again = await infoOf(t, { env: { HOME: undefined, TMPDIR: undefined, TEMP: "/x", TMP: "/y" } });
      expect(again.providerId).toBe(providerId);
      expect(again.userHomeDir).toBe(uri(loginOf(process.getuid!()).home));
      expect(again.temporaryDirectories).toEqual([]);
      expect(again.tempDir).toBe("file:///tmp");
    },
  );

  verifies("environment/info: a working directory that is gone is null", async () => {
    if (t.difference("environment/info")) return;
    const folder = join(t.folder.work, "gone");
    mkdirSync(folder, { recursive: true });
    const client = await new StdioClient(t.server, t.folder, { cwd: folder }).initialize();
    rmSync(folder, { recursive: true });
    const info = await client.call("environment/info");
    await client.close();
    expect(info.cwd).toBeNull();
  });

  verifies("environment/info: odd names become URIs", async () => {
    if (t.difference("environment/info")) return;
    const folder = join(t.folder.work, "a b%ü#?[1]");
    mkdirSync(folder, { recursive: true });
    const { cwd } = await infoOf(t, { cwd: folder });
    expect(decodeURIComponent(new URL(cwd).pathname)).toBe(folder);
  });

  verifies("environment/info: advertises what is implemented and nothing else", async () => {
    const info = await infoOf(t, {});
    if (t.ours) expect(info.capabilities).toEqual(capabilities);
    else if (!t.difference("environment/info")) {
      const common = Object.keys(capabilities).filter((name) => name in info.capabilities);
      expect(common).toEqual(["fileWriteStreaming", "sandboxedFileStreaming", "fsWatchMissing"]);
    }
  });
});
