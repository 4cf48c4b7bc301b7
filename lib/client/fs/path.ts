/**
 * Paths of the client: absolute native ones as strings, or `file:` URLs. A byte that is not UTF-8 is a lone surrogate in
 * the string (U+DC80 to U+DCFF for 0x80 to 0xFF), so that every name has a string and comes back as the same bytes.
 */

import { Buffer } from "node:buffer";
import { pathToUri } from "../../protocol/path_uri.ts";

/** `native` up to 0.138.0, `uri` since 0.169.0. */
export type PathForm = "native" | "uri";

const rawByte = /[\udc80-\udcff]/u;
const rawBytes = /([\udc80-\udcff])/u;

/** Whether a path begins at the root of a file system: `/srv`, `C:\srv`. */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path);
}

/**
 * The path as a server wants it.
 * @throws {TypeError} It is no absolute path, or has no such form.
 */
export function toWire(path: string | URL, form: PathForm): string {
  if (path instanceof URL) return form === "uri" ? path.href : toWire(fromWire(path.href), form);
  if (!isAbsolute(path)) throw new TypeError("expected an absolute path or a file: URL");
  if (path.includes("\0")) throw new TypeError("a path cannot contain NUL");
  if (form === "native") {
    if (path.isWellFormed()) return path;
    throw new TypeError("this server takes no names that are not UTF-8");
  }
  if (path.isWellFormed()) return pathToUri(path);
  if (!path.replace(new RegExp(rawByte, "gu"), "").isWellFormed()) {
    throw new TypeError("a path cannot contain half of a surrogate pair");
  }
  const encoded = path
    .split(rawBytes)
    .map((part, i) =>
      i % 2 === 0
        ? pathToUri(`/${part}`).slice("file:///".length)
        : `%${(part.charCodeAt(0) & 0xff).toString(16).toUpperCase()}`,
    );
  return `file://${encoded.join("")}`;
}

/** The native path of what a server sent, in either form. */
export function fromWire(value: string): string {
  if (!/^file:/i.test(value)) return value;
  const encoded = value.replace(/^file:(\/\/[^/]*)?/i, "");
  const bytes = Buffer.from(
    encoded
      .replace(/[^\x00-\x7f]+/g, (text) => encodeURIComponent(text))
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );
  const path = textOfBytes(bytes);
  return /^\/[A-Za-z]:(\/|$)/.test(encoded) ? path.slice(1) : path;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// Runs of whole characters of UTF-8, or one byte that begins none.
const runs =
  /(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+|[\x80-\xff]/g;

/** The string of a name, whatever its bytes are. */
export function textOfBytes(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Buffer.from(bytes)
      .toString("latin1")
      .replace(runs, (run) => {
        const code = run.charCodeAt(0);
        const isStray = run.length === 1 && code >= 0x80;
        return isStray ? String.fromCharCode(0xdc00 + code) : utf8.decode(Buffer.from(run, "latin1"));
      });
  }
}

/** The bytes of a name: the reverse of {@link textOfBytes}. */
export function bytesOfText(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  return Buffer.concat(
    text
      .split(rawBytes)
      .map((part, i) => (i % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) & 0xff]))),
  );
}

/** A path below another. An absolute second path replaces the first. */
export function joinPath(base: string, name: string): string {
  if (isAbsolute(name)) return name;
  if (name === "") return base;
  return base.endsWith("/") ? `${base}${name}` : `${base}/${name}`;
}

/** The last name of a path without a slash at the end; empty for a root. */
export function baseName(path: string): string {
  return /([^/]*)\/*$/.exec(path.replace(/^[A-Za-z]:(?=[\\/])/, ""))![1]!.replace(/^.*\\/, "");
}

/** What the last name is in: `/` for a name at the root. */
export function parentPath(path: string): string {
  const parent = path.replace(/\/+$/, "").replace(/\/*[^/]*$/, "");
  return parent === "" ? "/" : parent;
}
