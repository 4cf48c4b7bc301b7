/** How files, amounts and times are shown to people. */

import type { FileInfo } from "../client/fs/entries.ts";

/** `1.4 MiB` */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `0:07`, `12:30`, `1:02:03`; `99 h` and more are not told exactly. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours > 99) return "> 99 h";
  if (hours > 0) return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** A name with nothing in it that a terminal would obey: `?` for what cannot be shown. */
export function printable(name: string): string {
  return name.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]/gu, "?");
}

/** Columns that a text takes on a terminal, or a few more: everything beyond ASCII is counted as wide. */
export function widthAtMost(text: string): number {
  let width = 0;
  for (const character of text) width += character.codePointAt(0)! > 0x7f ? 2 : 1;
  return width;
}

/** `drwxr-xr-x`; `d?????????` where modes are not told. */
export function formatMode({ isFile, isDirectory, isSymlink, mode }: FileInfo): string {
  const type = isSymlink ? "l" : isDirectory ? "d" : isFile ? "-" : "?";
  if (mode === null) return `${type}?????????`;
  const bits = [6, 3, 0].map((shift, i) => {
    const special = mode & (0o4000 >> i);
    const letter = i === 2 ? "t" : "s";
    const x = mode & (1 << shift);
    return (
      (mode & (4 << shift) ? "r" : "-") +
      (mode & (2 << shift) ? "w" : "-") +
      (special ? (x ? letter : letter.toUpperCase()) : x ? "x" : "-")
    );
  });
  return type + bits.join("");
}

/** `2026-01-31 17:05` in local time, or `-` for none. */
export function formatTime(time: Date | null): string {
  if (!time) return "-";
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `file`, `directory`, `link` or `other`. */
export function kindOf(
  info: Pick<FileInfo, "isFile" | "isDirectory"> & { isSymlink: boolean | null },
): string {
  if (info.isSymlink) return "link";
  return info.isDirectory ? "directory" : info.isFile ? "file" : "other";
}

/** The names in as few lines as fit, sorted downwards as `ls` does. */
export function columns(names: readonly string[], width: number): string[] {
  for (let rows = 1; rows < names.length; rows++) {
    const widths: number[] = [];
    for (const [i, name] of names.entries()) {
      const column = Math.floor(i / rows);
      widths[column] = Math.max(widths[column] ?? 0, widthAtMost(name));
    }
    if (widths.reduce((sum, column) => sum + column + 2, -2) > width) continue;
    return Array.from({ length: rows }, (_, row) =>
      widths
        .map((column, c) => {
          const name = names[c * rows + row] ?? "";
          return name + " ".repeat(Math.max(0, column - widthAtMost(name)));
        })
        .join("  ")
        .trimEnd(),
    );
  }
  return [...names];
}
