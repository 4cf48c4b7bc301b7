/**
 * System calls that make or take away names, carried out for a confined task, which cannot make any itself: the kernel's file
 * rules keep it from that. So whatever is not understood here may be left to the task: it comes to nothing new.
 */

import { Buffer } from "node:buffer";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { nodeFs } from "../runtime/node_modules.ts";
import type { Kernel } from "../runtime/runtime.ts";
import { type AskingTask, cString, type PlaceOfName } from "./asking_task.ts";
import type { NameRules } from "./name_rules.ts";
import { type Architecture, type CallName, callNumber } from "./system_calls.ts";

/** What the task gets. */
export type Answer =
  /** It makes its call itself. */
  | "goOn"
  /** The result, or the number of an error below 0. `denied`: because of a rule. */
  | { result: number; denied?: boolean }
  /** A descriptor, which the receiver closes. */
  | { fd: number; closeOnExec: boolean };

/** A call: its name and arguments. */
export interface AskedCall {
  name: CallName;
  args: readonly number[];
}

/** A folder's descriptor in the task and where its memory has the path. */
type NameAt = readonly [dir: number, address: number];

const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const RENAME_EXCHANGE = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_WRONLY_CREAT_TRUNC = 0o1101;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_TMPFILE_BIT = 0o20000000;
const S_IFMT = 0o170000;
const deviceKinds = [0o020000, 0o060000];
const MAX_LINKS = 40;
/** More than this in a folder that moves is not looked through. */
const MAX_MOVED_NAMES = 20_000;
const EPERM = 1;
const EACCES = 13;
const EBUSY = 16;
const EEXIST = 17;
const EXDEV = 18;
const EROFS = 30;
const ENOSYS = 38;

export class NameCalls {
  readonly #kernel: Kernel;
  readonly #architecture: Architecture;
  readonly #rules: NameRules;
  /** Flags of files are not the same everywhere. */
  readonly #noFollow: number;
  readonly #directory: number;

  constructor(kernel: Kernel, architecture: Architecture, rules: NameRules) {
    this.#kernel = kernel;
    this.#architecture = architecture;
    this.#rules = rules;
    this.#noFollow = architecture === "arm64" ? 0o100000 : 0o400000;
    this.#directory = architecture === "arm64" ? 0o40000 : 0o200000;
  }

  answer(task: AskingTask, { name, args }: AskedCall): Answer {
    const [a, b, c, d, e] = args as [number, number, number, number, number, number];
    switch (name) {
      case "open":
        return this.#open(task, AT_FDCWD, a, b, c);
      case "creat":
        return this.#open(task, AT_FDCWD, a, O_WRONLY_CREAT_TRUNC, b);
      case "openat":
        return this.#open(task, int(a), b, c, d);
      case "openat2":
        return this.#openat2(task, int(a), b, c);
      case "mkdir":
        return this.#make(task, "mkdirat", AT_FDCWD, a, b, []);
      case "mkdirat":
        return this.#make(task, "mkdirat", int(a), b, c, []);
      case "mknod":
        return this.#mknod(task, AT_FDCWD, a, b);
      case "mknodat":
        return this.#mknod(task, int(a), b, c);
      case "symlink":
        return this.#symlink(task, a, AT_FDCWD, b);
      case "symlinkat":
        return this.#symlink(task, a, int(b), c);
      case "link":
        return this.#link(task, [AT_FDCWD, a], [AT_FDCWD, b], 0);
      case "linkat":
        return this.#link(task, [int(a), b], [int(c), d], e);
      case "rename":
        return this.#rename(task, [AT_FDCWD, a], [AT_FDCWD, b], 0);
      case "renameat":
        return this.#rename(task, [int(a), b], [int(c), d], 0);
      case "renameat2":
        return this.#rename(task, [int(a), b], [int(c), d], e);
      case "unlink":
        return this.#unlink(task, AT_FDCWD, a, 0);
      case "unlinkat":
        return this.#unlink(task, int(a), b, c);
      default:
        return "goOn";
    }
  }

  /** What is there already the task opens itself; what is new is opened here, as it must be nothing else. */
  #open(task: AskingTask, dir: number, address: number, flags: number, mode: number): Answer {
    if ((flags & O_CREAT) === 0 || flags & (O_PATH | O_TMPFILE_BIT | this.#directory)) return "goOn";
    const path = task.string(address);
    let place = path === undefined ? undefined : task.place(dir, path);
    const mask = task.umask();
    if (mask === undefined) return "goOn";
    for (let i = 0; place && i < MAX_LINKS; i++) {
      if (place.name.endsWith("/")) return "goOn";
      const behind = flags & (O_EXCL | this.#noFollow) ? undefined : this.#behindHeld(task, place);
      if (behind) {
        place = behind;
        continue;
      }
      const refused = this.#refuse(place.path);
      if (refused) return refused;
      const wanted = (flags | O_CREAT | O_EXCL | O_CLOEXEC | this.#noFollow) >>> 0;
      const { folder, name } = place;
      const fd = this.#masked(mask, () =>
        this.#attempt("openat", folder, cString(name), wanted, mode & 0o7777),
      );
      if (fd >= 0) return { fd, closeOnExec: (flags & O_CLOEXEC) !== 0 };
      if (fd !== -EEXIST || flags & O_EXCL) return { result: fd };
      if (flags & this.#noFollow) return "goOn";
      const target = task.linkAt(place);
      if (target === undefined) return "goOn";
      place = task.placeBehind(place, target);
    }
    return "goOn";
  }

  /** A link that stays leads to what may be written all the same. */
  #behindHeld(task: AskingTask, place: PlaceOfName): PlaceOfName | undefined {
    if (this.#rules.verdict(decoded(place.path)) !== "held") return undefined;
    const target = task.linkAt(place);
    return target === undefined ? undefined : task.placeBehind(place, target);
  }

  #openat2(task: AskingTask, dir: number, address: number, howAddress: number): Answer {
    const how = task.bytes(howAddress, 24);
    if (how?.length !== 24) return "goOn";
    const [flags, mode, resolve] = [...new BigUint64Array(how.slice().buffer)].map(Number);
    if ((flags! & O_CREAT) === 0) return "goOn";
    // Who gets this goes back to `openat` and looks at the way itself.
    if (resolve !== 0) return { result: -ENOSYS };
    return this.#open(task, dir, address, flags!, mode!);
  }

  #make(
    task: AskingTask,
    call: "mkdirat" | "mknodat",
    dir: number,
    address: number,
    mode: number,
    more: number[],
  ): Answer {
    const place = this.#placeAt(task, dir, address);
    const mask = task.umask();
    if (!place || mask === undefined) return "goOn";
    const make = (): number => this.#attempt(call, place.folder, cString(place.name), mode & 0xffff, ...more);
    return this.#refuse(place.path) ?? { result: this.#masked(mask, make) };
  }

  #mknod(task: AskingTask, dir: number, address: number, mode: number): Answer {
    if (deviceKinds.includes(mode & S_IFMT)) return { result: -EPERM };
    return this.#make(task, "mknodat", dir, address, mode, [0]);
  }

  #symlink(task: AskingTask, targetAddress: number, dir: number, address: number): Answer {
    const target = task.string(targetAddress);
    const place = this.#placeAt(task, dir, address);
    if (target === undefined || !place) return "goOn";
    return (
      this.#refuse(place.path) ?? {
        result: this.#attempt("symlinkat", cString(target), place.folder, cString(place.name)),
      }
    );
  }

  #link(task: AskingTask, [oldDir, oldAddress]: NameAt, to: NameAt, flags: number): Answer {
    const oldPath = task.string(oldAddress);
    const place = this.#placeAt(task, ...to);
    if (oldPath === undefined || !place) return "goOn";
    const isOpen = oldPath === "" && (flags & AT_EMPTY_PATH) !== 0;
    let source = isOpen ? task.descriptor(oldDir) : undefined;
    const old = isOpen ? undefined : task.place(oldDir, oldPath);
    if (flags & AT_SYMLINK_FOLLOW && !isOpen) {
      source = task.descriptor(oldPath) ?? (old && task.followed(old.path));
      if (source === undefined) return "goOn";
    }
    const oldReal = source === undefined ? old?.path : task.pathOf(source);
    if (oldReal === undefined) return "goOn";
    const refused = this.#refuse(oldReal) ?? this.#refuse(place.path);
    if (refused) return refused;
    const [folder, name, follow] =
      source === undefined
        ? [old!.folder, old!.name, 0]
        : [AT_FDCWD, `/proc/self/fd/${source}`, AT_SYMLINK_FOLLOW];
    const made = [place.folder, cString(place.name), follow] as const;
    return { result: this.#attempt("linkat", folder, cString(name), ...made) };
  }

  #rename(task: AskingTask, from: NameAt, to: NameAt, flags: number): Answer {
    const old = this.#placeAt(task, ...from);
    const place = this.#placeAt(task, ...to);
    if (!old || !place) return "goOn";
    const refused =
      this.#refuse(old.path) ??
      this.#refuse(place.path) ??
      this.#refuseMounted(task, old) ??
      this.#refuseMounted(task, place) ??
      this.#refuseMoved(old, place.path) ??
      (flags & RENAME_EXCHANGE ? this.#refuseMoved(place, old.path) : undefined);
    if (refused) return refused;
    const result = this.#attempt(
      "renameat2",
      old.folder,
      cString(old.name),
      place.folder,
      cString(place.name),
      flags,
    );
    return { result };
  }

  #unlink(task: AskingTask, dir: number, address: number, flags: number): Answer {
    if (flags & AT_REMOVEDIR) return "goOn";
    const place = this.#placeAt(task, dir, address);
    if (!place) return "goOn";
    if (this.#rules.verdict(decoded(place.path)) === "held") return { result: -EROFS, denied: true };
    const mounted = this.#refuseMounted(task, place);
    return mounted ?? { result: this.#attempt("unlinkat", place.folder, cString(place.name), 0) };
  }

  #refuseMounted(task: AskingTask, place: PlaceOfName): Answer | undefined {
    return task.isMountedOn(place) ? { result: -EBUSY } : undefined;
  }

  /** A folder takes what is in it along. */
  #refuseMoved(from: PlaceOfName, to: string): Answer | undefined {
    if (!this.#rules.changesWithin(decoded(from.path), decoded(to))) return undefined;
    const name = cString(from.name.replace(/\/$/, ""));
    const fd = this.#attempt(
      "openat",
      from.folder,
      name,
      O_PATH | O_CLOEXEC | this.#noFollow | this.#directory,
      0,
    );
    if (fd < 0) return undefined;
    try {
      let left = MAX_MOVED_NAMES;
      const look = (folder: string, meant: string): Answer | undefined => {
        const entries = entriesOf(folder);
        // Who gets this moves one after the other.
        if (!entries) return { result: -EXDEV };
        for (const entry of entries) {
          if (--left < 0 || entry.name.includes("\ufffd")) return { result: -EXDEV };
          const path = `${meant}/${entry.name}`;
          const found =
            this.#refuse(path) ?? (entry.isDirectory() ? look(`${folder}/${entry.name}`, path) : undefined);
          if (found) return found;
        }
        return undefined;
      };
      return look(`/proc/self/fd/${fd}`, to);
    } finally {
      this.#kernel.close(fd);
    }
  }

  #refuse(path: string): Answer | undefined {
    const verdict = this.#rules.verdict(decoded(path));
    if (verdict === "allowed") return undefined;
    return { result: verdict === "held" ? -EROFS : -EACCES, denied: true };
  }

  #placeAt(task: AskingTask, dir: number, address: number): PlaceOfName | undefined {
    const path = task.string(address);
    return path === undefined ? undefined : task.place(dir, path);
  }

  /** The mask is that of the whole program; nothing else runs meanwhile that makes files. */
  #masked(mask: number, action: () => number): number {
    const number = callNumber(this.#architecture, "umask")!;
    const own = this.#kernel.call(number, mask);
    try {
      return action();
    } finally {
      this.#kernel.call(number, own);
    }
  }

  #attempt(name: CallName, ...args: (number | Uint8Array)[]): number {
    return this.#kernel.attempt(callNumber(this.#architecture, name)!, ...args);
  }
}

function int(value: number): number {
  return value | 0;
}

/** For patterns, which are texts. */
function decoded(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** Undefined when it cannot be listed. */
function entriesOf(folder: string) {
  try {
    return nodeFs().readdirSync(folder, { withFileTypes: true });
  } catch {
    return undefined;
  }
}
