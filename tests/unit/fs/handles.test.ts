/** Handles of a client that is slow to take its answers. */

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileMethods } from "../../../lib/fs/handlers.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const runtime = await currentRuntime();
let root = "";
const path = (name: string): string => join(root, name);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-handles-"));
  writeFileSync(path("first"), "first");
  writeFileSync(path("second"), "second");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The methods of a connection that takes no answer until `takes` is called. */
function slowConnection(): { methods: FileMethods; takes: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isReady = false;
  const takes = (): void => {
    isReady = true;
    resolve();
  };
  const ready = (): Promise<void> | undefined => (isReady ? undefined : promise);
  const connection = { notify: () => {}, ready, hold: () => () => {} };
  return { methods: new FileMethods(runtime, runtime.files(), connection), takes };
}

const text = ({ chunk }: { chunk: Uint8Array }): string => new TextDecoder().decode(chunk);

test("a block is of the file that the handle had when it was asked for, closed or not", async () => {
  const { methods, takes } = slowConnection();
  const handleId = "h";
  await methods["fs/open"]({ handleId, path: path("first") });
  const block = { handleId, offset: 0, len: 100 };
  const first = methods["fs/readBlock"](block);
  const closed = methods["fs/close"]({ handleId });
  await methods["fs/open"]({ handleId, path: path("second") });
  const second = methods["fs/readBlock"](block);
  takes();
  expect(text(await first)).toBe("first");
  expect(text(await second)).toBe("second");
  await closed;
  methods.close();
});

test("a block is read before what is written behind it in the same handle", async () => {
  const { methods, takes } = slowConnection();
  const handleId = "h";
  await methods["fs/open"]({ handleId, path: path("first"), mode: "resume" });
  const before = methods["fs/readBlock"]({ handleId, offset: 0, len: 5 });
  const written = methods["fs/writeBlock"]({ handleId, offset: 0, chunk: new TextEncoder().encode("later") });
  takes();
  expect(text(await before)).toBe("first");
  await written;
  expect(readFileSync(path("first"), "utf8")).toBe("later");
  methods.close();
});

test("handles that are closed before their blocks are taken count as open", async () => {
  const { methods, takes } = slowConnection();
  const handleId = "h";
  const answers: unknown[] = [];
  for (let i = 0; i < 128; i++) {
    await methods["fs/open"]({ handleId, path: path("first") });
    answers.push(methods["fs/readBlock"]({ handleId, offset: 0, len: 5 }), methods["fs/close"]({ handleId }));
  }
  expect(() => methods["fs/open"]({ handleId, path: path("first") })).toThrow("at most 128 file handles");
  takes();
  await Promise.all(answers);
  await methods["fs/open"]({ handleId, path: path("first") });
  methods.close();
});
