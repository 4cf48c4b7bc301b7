/** Whole files: limits of reading, and writing where the file system can do less than usual. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readWhole, type WriteOptions, writeWhole } from "../../../lib/fs/contents.ts";
import { type FileCalls, SystemError } from "../../../lib/runtime/file_calls.ts";
import { O_TMPFILE } from "../../../lib/runtime/file_libc.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const [EEXIST, EINVAL, ENOSPC, EOPNOTSUPP] = [17, 22, 28, 95];
const real = (await currentRuntime()).files();
const plain: WriteOptions = { follow: true, atomic: false, sync: false };
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-contents-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The system's calls, some of them replaced. */
function withCalls(
  calls: Partial<Pick<FileCalls, "fstat" | "open" | "pread" | "preadSoon" | "renameToNew" | "writeAll">>,
): FileCalls {
  return new Proxy(real, {
    get(target, key) {
      const value = calls[key as "open"] ?? (target[key as keyof FileCalls] as unknown);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** No file without a name can be made, as on FAT or over some networks. */
const open: FileCalls["open"] = (dir, path, flags, mode) => {
  if ((flags & O_TMPFILE) === O_TMPFILE) throw new SystemError(EOPNOTSUPP);
  return real.open(dir, path, flags, mode);
};

const data = Buffer.from("whole");

test("a large file that is in memory lets others have a turn while it is read", async () => {
  const path = join(root, "large");
  const size = 32 * 1024 * 1024;
  writeFileSync(path, "");
  truncateSync(path, size);
  const preadSoon = (_: number, { length }: Uint8Array): number => {
    for (const end = performance.now() + 3; performance.now() < end; );
    return length;
  };
  let turns = 0;
  const other = setInterval(() => turns++, 1);
  const all = await readWhole(withCalls({ preadSoon }), path, true, (_, read) => read());
  clearInterval(other);
  expect(all).toHaveLength(size);
  expect(turns).toBeGreaterThan(0);
});

describe("reading a file", () => {
  const readAs = async (size: number): Promise<number> => {
    const path = join(root, "f");
    writeFileSync(path, "short");
    // It has shrunk when it is read, so that nobody has to read so much.
    const files = withCalls({
      fstat: (fd) => Object.defineProperty(real.fstat(fd), "size", { value: size }),
    });
    return (await readWhole(files, path, true, (_, read) => read())).length;
  };

  test("is refused above 512 MiB, and not below", async () => {
    expect(await readAs(536_870_912)).toBe(5);
    await expect(readAs(536_870_913)).rejects.toMatchObject({
      code: -32600,
      message: "file is too large to read: limit is 536870912 bytes",
    });
  });

  test("that says it is empty goes on to its end, in whatever pieces it comes", async () => {
    const whole = Buffer.alloc(3_000_001, "0123456789");
    for (const most of [4096, 100_000, 5_000_000]) {
      writeFileSync(join(root, "f"), "");
      const files = withCalls({
        pread: (_, memory, offset) => whole.copy(memory, 0, Number(offset), Number(offset) + most),
      });
      const read = await readWhole(files, join(root, "f"), true, (_, read) => read());
      expect(Buffer.compare(read, whole)).toBe(0);
    }
  });
});

describe("a new file where none can be without a name", () => {
  for (const [what, more] of [
    ["", {}],
    [", without following links", { follow: false }],
    [", synced", { sync: true }],
  ] as const) {
    test(`appears whole under its own name alone${what}`, async () => {
      const seen: string[][] = [];
      const files = withCalls({
        open,
        writeAll: (...args) => {
          seen.push(readdirSync(root));
          return real.writeAll(...args);
        },
      });
      await writeWhole(files, join(root, "new"), data, { ...plain, ...more });
      expect(seen.flat()).toEqual([expect.stringMatching(/^\.new\.[0-9a-f]{12}$/)]);
      expect(readdirSync(root)).toEqual(["new"]);
      expect(readFileSync(join(root, "new"), "utf8")).toBe("whole");
      expect(lstatSync(join(root, "new")).mode & 0o777).toBe(0o666 & ~process.umask());
    });
  }

  test("leaves nothing when it cannot be written", async () => {
    const files = withCalls({
      open,
      writeAll: () => {
        throw new SystemError(ENOSPC);
      },
    });
    const writing = writeWhole(files, join(root, "new"), data, plain);
    await expect(writing).rejects.toMatchObject({ code: "ENOSPC" });
    expect(readdirSync(root)).toEqual([]);
  });

  test("writes in place what somebody else has made meanwhile", async () => {
    const path = join(root, "new");
    let inode = 0;
    const files = withCalls({
      open,
      renameToNew: (...args) => {
        if (inode === 0) {
          writeFileSync(path, "theirs, and longer");
          inode = lstatSync(path).ino;
        }
        real.renameToNew(...args);
      },
    });
    await writeWhole(files, path, data, plain);
    expect([readFileSync(path, "utf8"), lstatSync(path).ino]).toEqual(["whole", inode]);
    expect(readdirSync(root)).toEqual(["new"]);
  });

  for (const errno of [EINVAL, EOPNOTSUPP]) {
    test(`is renamed as ever where the system answers ${errno} to more`, async () => {
      const files = withCalls({
        open,
        renameToNew: () => {
          throw new SystemError(errno);
        },
      });
      await writeWhole(files, join(root, "new"), data, plain);
      expect(readdirSync(root)).toEqual(["new"]);
    });
  }

  test("is given up when others make and remove it again and again", async () => {
    let attempts = 0;
    const files = withCalls({
      open,
      renameToNew: () => {
        attempts++;
        throw new SystemError(EEXIST);
      },
    });
    const writing = writeWhole(files, join(root, "new"), data, plain);
    await expect(writing).rejects.toMatchObject({ code: "EEXIST" });
    expect([attempts, existsSync(join(root, "new")), readdirSync(root)]).toEqual([10, false, []]);
  });
});
