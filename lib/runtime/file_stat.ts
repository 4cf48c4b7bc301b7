/** What `statx` has found out. */

export type FileKind = "file" | "directory" | "symlink" | "other";

/** What the system knows of a file. What is costly to make of it is made when it is asked for: trees are large. */
export class FileStat {
  /** Permission bits, with set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly kind: FileKind;
  readonly #modifiedS: number;
  readonly #modifiedNs: number;
  readonly #bornS: number;
  readonly #bornNs: number;
  readonly #major: number;
  readonly #minor: number;
  /** In halves: the number of a file can be above what a number holds exactly. */
  readonly #fileHigh: number;
  readonly #fileLow: number;

  /** @param view A `struct statx`. */
  constructor(view: DataView) {
    const mode = view.getUint16(28, true);
    this.mode = mode & 0o7777;
    this.kind = kindOf(mode);
    this.uid = view.getUint32(20, true);
    this.gid = view.getUint32(24, true);
    this.size = view.getUint32(44, true) * 2 ** 32 + view.getUint32(40, true);
    this.#modifiedS = secondsAt(view, 112);
    this.#modifiedNs = view.getUint32(120, true);
    this.#bornS = secondsAt(view, 80);
    this.#bornNs = view.getUint32(88, true);
    this.#major = view.getUint32(136, true);
    this.#minor = view.getUint32(140, true);
    this.#fileHigh = view.getUint32(36, true);
    this.#fileLow = view.getUint32(32, true);
  }

  /** The same for two names of one file, and for no other. */
  get identity(): string {
    return `${this.#major}:${this.#minor}:${this.#fileHigh}:${this.#fileLow}`;
  }

  get modifiedMs(): number {
    return milliseconds(this.#modifiedS, this.#modifiedNs);
  }

  /** 0 where the file system does not keep it. */
  get bornMs(): number {
    return milliseconds(this.#bornS, this.#bornNs);
  }
}

function kindOf(mode: number): FileKind {
  switch (mode & 0o170000) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o120000:
      return "symlink";
    default:
      return "other";
  }
}

function secondsAt(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** Whole ones, cut; a fraction would be rounded up now and then. */
function milliseconds(seconds: number, ns: number): number {
  return seconds * 1000 + Math.floor(ns / 1e6);
}
