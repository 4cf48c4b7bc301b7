/** The system's errors as the wire shows them: `No such file or directory (os error 2)`. */

/** Linux errno: number, name and text, in the words of musl, with which the peer is built. */
const table: readonly (readonly [number, string, string])[] = [
  [1, "EPERM", "Operation not permitted"],
  [2, "ENOENT", "No such file or directory"],
  [3, "ESRCH", "No such process"],
  [4, "EINTR", "Interrupted system call"],
  [5, "EIO", "I/O error"],
  [6, "ENXIO", "No such device or address"],
  [7, "E2BIG", "Argument list too long"],
  [8, "ENOEXEC", "Exec format error"],
  [9, "EBADF", "Bad file descriptor"],
  [11, "EAGAIN", "Resource temporarily unavailable"],
  [12, "ENOMEM", "Out of memory"],
  [13, "EACCES", "Permission denied"],
  [14, "EFAULT", "Bad address"],
  [16, "EBUSY", "Resource busy"],
  [17, "EEXIST", "File exists"],
  [18, "EXDEV", "Cross-device link"],
  [19, "ENODEV", "No such device"],
  [20, "ENOTDIR", "Not a directory"],
  [21, "EISDIR", "Is a directory"],
  [22, "EINVAL", "Invalid argument"],
  [23, "ENFILE", "Too many open files in system"],
  [24, "EMFILE", "No file descriptors available"],
  [25, "ENOTTY", "Not a tty"],
  [26, "ETXTBSY", "Text file busy"],
  [27, "EFBIG", "File too large"],
  [28, "ENOSPC", "No space left on device"],
  [29, "ESPIPE", "Invalid seek"],
  [30, "EROFS", "Read-only file system"],
  [31, "EMLINK", "Too many links"],
  [32, "EPIPE", "Broken pipe"],
  [36, "ENAMETOOLONG", "Filename too long"],
  [39, "ENOTEMPTY", "Directory not empty"],
  [40, "ELOOP", "Symbolic link loop"],
  [75, "EOVERFLOW", "Value too large for data type"],
  [95, "EOPNOTSUPP", "Not supported"],
  [98, "EADDRINUSE", "Address in use"],
  [99, "EADDRNOTAVAIL", "Address not available"],
  [110, "ETIMEDOUT", "Operation timed out"],
  [111, "ECONNREFUSED", "Connection refused"],
  [116, "ESTALE", "Stale file handle"],
  [122, "EDQUOT", "Quota exceeded"],
];

/** Each is made at its first use, as a start has no errors. */
let numbers: Map<string, number> | undefined;
let rows: Map<number, readonly [number, string, string]> | undefined;

/** Errno by name, for the names of the table. */
export const errnoByName: Pick<ReadonlyMap<string, number>, "get"> = {
  get: (name) => {
    numbers ??= new Map(table.map(([number, each]) => [each, number]));
    return numbers.get(name);
  },
};

function rowOf(errno: number): readonly [number, string, string] | undefined {
  rows ??= new Map(table.map((row) => [row[0], row]));
  return rows.get(errno);
}

/** `ENOENT`; `E123` for a number that the table lacks. */
export function errnoName(errno: number): string {
  return rowOf(errno)?.[1] ?? `E${errno}`;
}

/** Text with number, in the form of the peer. */
export function osErrorText(errno: number): string {
  return `${rowOf(errno)?.[2] ?? `Unknown error ${errno}`} (os error ${errno})`;
}
