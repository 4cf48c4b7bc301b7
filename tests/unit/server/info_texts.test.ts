import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { environmentInfo } from "../../../lib/server/info.ts";
import { InfoTexts } from "../../../lib/server/info_texts.ts";

const home = process.env.HOME;
afterEach(() => {
  if (home === undefined) delete process.env.HOME;
  else process.env.HOME = home;
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sandbox = { mechanisms: ["landlock"], missing: {} };

describe("the texts of what a machine is", () => {
  test("are what the parts add up to: more for bytes that go raw, and more in the whole", () => {
    const texts = new InfoTexts([
      { capabilities: { fsHash: true }, rawCapabilities: { fsRawBytes: true } },
      { capabilities: { fsChmod: true } },
    ]);
    const more = (): object => ({ sandbox });
    const info = environmentInfo();
    const capabilities = { ...info.capabilities, fsHash: true, fsChmod: true };
    const raw = { ...capabilities, fsRawBytes: true };
    // Twice, as the second time they are kept.
    for (let i = 0; i < 2; i++) {
      expect(JSON.parse(texts.ofHandshake(false))).toEqual({ ...info, capabilities });
      expect(JSON.parse(texts.ofHandshake(true))).toEqual({ ...info, capabilities: raw });
      expect(JSON.parse(texts.whole(false, more))).toEqual({ ...info, capabilities, sandbox });
      expect(JSON.parse(texts.whole(true, more))).toEqual({ ...info, capabilities: raw, sandbox });
    }
  });

  test("are kept for a second, and then made again", async () => {
    let made = 0;
    const texts = new InfoTexts([]);
    const more = (): object => ({ providerId: `${++made}` });
    const from = 5000;
    const now = spyOn(performance, "now");
    try {
      const seen: string[] = [];
      for (const ms of [0, 1, 998, 1000, 1001, 2002]) {
        now.mockReturnValue(from + ms);
        process.env.HOME = `/home/${ms}`;
        const { providerId, userHomeDir } = JSON.parse(texts.whole(false, more));
        seen.push(`${providerId} ${userHomeDir}`);
        await turn();
      }
      expect(seen).toEqual([
        ...["1 file:///home/0", "1 file:///home/0", "1 file:///home/0"],
        ...["2 file:///home/1000", "2 file:///home/1000", "3 file:///home/2002"],
      ]);
    } finally {
      now.mockRestore();
    }
  });

  test("tell in the next turn when the start directory has gone, and a new connection after 20 ms", async () => {
    const texts = new InfoTexts([]);
    const now = spyOn(performance, "now");
    now.mockReturnValue(100);
    const before = process.cwd();
    const folder = mkdtempSync(join(tmpdir(), "info-test-"));
    try {
      process.chdir(folder);
      expect(JSON.parse(texts.ofHandshake(false)).cwd).toBe(pathToFileURL(process.cwd()).href);
      await turn();
      rmSync(folder, { recursive: true });
      now.mockReturnValue(119);
      expect(JSON.parse(texts.ofHandshake(false)).cwd).not.toBeNull();
      expect(JSON.parse(texts.whole(false, () => ({}))).cwd).toBeNull();
      expect(JSON.parse(texts.ofHandshake(false)).cwd).toBeNull();
      process.chdir(before);
      expect(JSON.parse(texts.ofHandshake(false)).cwd).toBeNull();
      now.mockReturnValue(139);
      expect(JSON.parse(texts.ofHandshake(false)).cwd).toBe(pathToFileURL(before).href);
    } finally {
      now.mockRestore();
      process.chdir(before);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
