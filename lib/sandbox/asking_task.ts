/** A confined task that waits for an answer: its memory, and its paths as it would find them. */

import { AT_FDCWD } from "../runtime/file_libc.ts";
import { nodeFs } from "../runtime/node_modules.ts";
import type { Kernel } from "../runtime/runtime.ts";
import { type Architecture, callNumber } from "./system_calls.ts";

/** A name in an open folder. Bytes of paths are characters up to U+00FF here. */
export interface PlaceOfName {
  /** Descriptor of the folder; the task closes it. */
  folder: number;
  /** With the slash at its end that was given. */
  name: string;
  /** The folder's own path and the name, without links. */
  path: string;
}

const PATH_BYTES = 4096;
const PAGE = 4096;
const MAX_TRIES = 32;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;
const EAGAIN = 11;
const EXDEV = 18;
/** A path that is another name of a descriptor. */
const ownDescriptor = /^\/(?:proc\/(?:self|thread-self)|dev)\/fd\/(\d+)$/;

export class AskingTask {
  readonly #kernel: Kernel;
  readonly #architecture: Architecture;
  readonly #folder: string;
  /** Not the same everywhere. */
  readonly #noFollow: number;
  readonly #open: number[] = [];
  #memory: number | undefined;
  #root: number | undefined;

  constructor(kernel: Kernel, architecture: Architecture, pid: number) {
    this.#kernel = kernel;
    this.#architecture = architecture;
    this.#folder = `/proc/${pid}`;
    this.#noFollow = architecture === "arm64" ? 0o100000 : 0o400000;
  }

  /** Opens what belongs to the task, so that it stays the task's; false when that cannot be done. */
  begin(): boolean {
    this.#memory = this.#keep(this.#kernel.open(`${this.#folder}/mem`, 0));
    this.#root = this.#keep(this.#kernel.open(`${this.#folder}/root`, O_PATH));
    return this.#memory !== undefined && this.#root !== undefined;
  }

  close(): void {
    for (const fd of this.#open.splice(0)) this.#kernel.close(fd);
  }

  /** Memory of the task; undefined when there is none at the address. */
  bytes(address: number, count: number): Uint8Array | undefined {
    const bytes = new Uint8Array(count);
    const read = this.#kernel.call(this.#number("pread64"), this.#memory!, bytes, count, address);
    return read < 0 ? undefined : bytes.subarray(0, read);
  }

  /** A path out of its memory; undefined when it is none. */
  string(address: number): string | undefined {
    let text = "";
    for (let at = address; text.length < PATH_BYTES; at += PAGE - (at % PAGE)) {
      const bytes = this.bytes(at, PAGE - (at % PAGE));
      if (!bytes || bytes.length === 0) return undefined;
      const end = bytes.indexOf(0);
      text += latin1(end === -1 ? bytes : bytes.subarray(0, end));
      if (end !== -1) return text.length < PATH_BYTES ? text : undefined;
    }
    return undefined;
  }

  /** What it takes away from the modes of new files; undefined when the task has gone. */
  umask(): number | undefined {
    try {
      const mask = /^Umask:\t([0-7]+)$/m.exec(nodeFs().readFileSync(`${this.#folder}/status`, "latin1"))?.[1];
      return mask === undefined ? undefined : Number.parseInt(mask, 8);
    } catch {
      return undefined;
    }
  }

  /** Where a name is to be made; undefined when its folder cannot be found this way. `dir` is the task's. */
  place(dir: number, path: string): PlaceOfName | undefined {
    return this.#placeIn(() => this.#baseOf(dir), path);
  }

  /** Where what a link says leads. */
  placeBehind({ folder }: PlaceOfName, target: string): PlaceOfName | undefined {
    return this.#placeIn(() => folder, target);
  }

  #placeIn(base: () => number | undefined, path: string): PlaceOfName | undefined {
    const [, before, name, slashes] = /^(.*?)([^/]+)(\/*)$/s.exec(path) ?? [];
    if (before === undefined || name === undefined || name === "." || name === "..") return undefined;
    const folder = this.#folderOf(base, before);
    if (folder === undefined) return undefined;
    const real = this.pathOf(folder);
    if (real === undefined) return undefined;
    return { folder, name: slashes ? `${name}/` : name, path: real === "/" ? `/${name}` : `${real}/${name}` };
  }

  /**
   * Whether something is mounted on a name where the task lives. The system itself would look where we live, and let it be
   * moved or removed, and what is mounted with it.
   */
  isMountedOn({ folder, name }: PlaceOfName): boolean {
    const how = new BigUint64Array([
      BigInt(O_PATH | O_CLOEXEC | this.#noFollow),
      0n,
      BigInt(RESOLVE_NO_XDEV),
    ]);
    const path = cString(name.replace(/\/$/, ""));
    for (let i = 0; i < MAX_TRIES; i++) {
      const bytes = new Uint8Array(how.buffer);
      const fd = this.#kernel.attempt(this.#number("openat2"), folder, path, bytes, how.byteLength);
      if (fd >= 0) this.#kernel.close(fd);
      if (fd !== -EAGAIN) return fd === -EXDEV;
    }
    return true;
  }

  /** What a link says; undefined when it is none. */
  linkAt({ folder, name }: PlaceOfName): string | undefined {
    return this.#readLink(folder, name);
  }

  /** A thing by its path, links followed. */
  followed(path: string): number | undefined {
    return this.#openBelow(this.#root!, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  }

  /** A descriptor of the task, as a path in it or by its number. */
  descriptor(path: string | number): number | undefined {
    const number = typeof path === "number" ? path : ownDescriptor.exec(path)?.[1];
    return number === undefined
      ? undefined
      : this.#keep(this.#kernel.open(`${this.#folder}/fd/${number}`, O_PATH));
  }

  /** As the task sees it. */
  pathOf(fd: number): string | undefined {
    return this.#readLink(AT_FDCWD, `/proc/self/fd/${fd}`);
  }

  #baseOf(dir: number): number | undefined {
    const source = dir === AT_FDCWD ? `${this.#folder}/cwd` : `${this.#folder}/fd/${dir}`;
    return this.#keep(this.#kernel.open(source, O_PATH));
  }

  #folderOf(baseOf: () => number | undefined, path: string): number | undefined {
    if (path.startsWith("/")) return this.followed(path);
    const base = baseOf();
    if (base === undefined || path === "") return base;
    const beneath = this.#openBelow(base, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (beneath !== undefined) return beneath;
    const real = this.pathOf(base);
    return real === undefined ? undefined : this.followed(`${real}/${path}`);
  }

  #openBelow(folder: number, path: string, flags: number, resolve: number): number | undefined {
    const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), 0n, BigInt(resolve)]);
    for (let i = 0; i < MAX_TRIES; i++) {
      const fd = this.#kernel.attempt(
        this.#number("openat2"),
        folder,
        cString(path),
        new Uint8Array(how.buffer),
        how.byteLength,
      );
      // Somebody was just renaming folders.
      if (fd !== -EAGAIN) return this.#keep(fd);
    }
    return undefined;
  }

  #readLink(dir: number, path: string): string | undefined {
    const bytes = new Uint8Array(PATH_BYTES);
    const count = this.#kernel.call(this.#number("readlinkat"), dir, cString(path), bytes, bytes.length);
    return count < 0 || count === bytes.length ? undefined : latin1(bytes.subarray(0, count));
  }

  #keep(fd: number): number | undefined {
    if (fd < 0) return undefined;
    this.#open.push(fd);
    return fd;
  }

  #number(name: "openat2" | "pread64" | "readlinkat"): number {
    return callNumber(this.#architecture, name)!;
  }
}

/** Bytes of a path as the system takes them. */
export function cString(path: string): Uint8Array {
  return Uint8Array.from(`${path}\0`, (character) => character.charCodeAt(0));
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
