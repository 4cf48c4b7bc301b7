import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentInfo as schema } from "../../../lib/protocol/environment.ts";
import { defaultShell, environmentInfo, serverCapabilities } from "../../../lib/server/info.ts";

const saved = { ...process.env };
let folder = "";

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "info-test-")));
});

afterEach(() => {
  for (const name of ["PATH", "SHELL", "TMPDIR", "TEMP", "HOME"]) {
    if (saved[name] === undefined) delete process.env[name];
    else process.env[name] = saved[name];
  }
  rmSync(folder, { recursive: true, force: true });
});

function makeProgram(path: string): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 });
  return path;
}

describe("the shell", () => {
  for (const name of ["zsh", "bash", "sh"]) {
    test(`of the login is taken as it is when it is ${name} and exists`, () => {
      const path = makeProgram(join(folder, name));
      process.env.SHELL = "/bin/other";
      expect(defaultShell(path)).toEqual({ name, path });
    });
  }

  test("of the login is not taken when it is none, or is not there", () => {
    process.env.PATH = folder;
    const bash = makeProgram(join(folder, "bash"));
    makeProgram(join(folder, "zsh"));
    const odd = makeProgram(join(folder, "nologin"));
    for (const login of [odd, join(folder, "no", "zsh"), "", "/bin/sync", "sh"]) {
      expect(defaultShell(login)).toEqual({ name: "bash", path: bash });
    }
  });

  test("is looked for on the PATH in its order, bash before zsh", () => {
    const zsh = makeProgram(join(folder, "a", "zsh"));
    const bash = makeProgram(join(folder, "b", "bash"));
    process.env.PATH = `${folder}/a:${folder}/b`;
    expect(defaultShell("/sbin/nologin")).toEqual({ name: "bash", path: bash });
    rmSync(bash);
    process.env.PATH = `relative::${folder}/a`;
    const fixed = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"].find((path) => existsSync(path));
    const expected = fixed === undefined ? { name: "zsh", path: zsh } : { name: "bash", path: fixed };
    expect(defaultShell("/sbin/nologin")).toEqual(expected);
  });

  test("is that of the user that runs us, whatever SHELL says", () => {
    const before = defaultShell();
    process.env.SHELL = makeProgram(join(folder, "zsh"));
    expect(defaultShell()).toEqual(before);
    expect(existsSync(before.path)).toBe(true);
  });
});

describe("environment/info", () => {
  test("has the members of 0.169.0, and decodes as what it is", () => {
    const info = environmentInfo();
    expect(schema.decode(JSON.parse(JSON.stringify(info)))).toEqual(info);
    expect(Object.keys(info)).toEqual([
      "shell",
      "executorVersion",
      "providerId",
      "cwd",
      "userHomeDir",
      "platformOs",
      "prependPathDirs",
      "temporaryDirectories",
      "tempDir",
      "capabilities",
    ]);
    expect(info.providerId).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(info.platformOs).toBe(process.platform === "darwin" ? "macos" : process.platform);
    expect(info.executorVersion).toMatch(/^\d+\.\d+\.\d+/);
    expect(environmentInfo().providerId).toBe(info.providerId!);
  });

  test("advertises what is ours", () => {
    expect(serverCapabilities).toMatchObject({
      processCloseStdin: true,
      processResize: true,
      processSignals: true,
      processOutputWindow: true,
      processSandbox: true,
    });
  });

  test("takes temporary folders from TMPDIR only", () => {
    process.env.TMPDIR = `${folder}/a b`;
    process.env.TEMP = "/other";
    expect(environmentInfo().temporaryDirectories).toEqual([`file://${folder}/a%20b`]);
    delete process.env.TMPDIR;
    expect(environmentInfo().temporaryDirectories).toEqual([]);
  });

  test("a working directory that is gone is null", () => {
    const before = process.cwd();
    const gone = mkdtempSync(join(folder, "gone-"));
    try {
      process.chdir(gone);
      expect(environmentInfo().cwd).toBe(`file://${gone}`);
      rmSync(gone, { recursive: true });
      expect(environmentInfo().cwd).toBeNull();
    } finally {
      process.chdir(before);
    }
  });
});
