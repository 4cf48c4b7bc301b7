/** Paths as the wire has them: native up to 0.138.0, `file:` URIs since 0.169.0. We take both. */

import { DecodeError } from "./schema.ts";

/**
 * The native path of a wire path: a `file:` URI without a foreign host, or an absolute path as it is.
 * @throws {DecodeError} Anything else.
 */
export function pathFromWire(value: string): string {
  if (value.startsWith("/")) return value;
  if (/^[A-Za-z]:[\\/]/.test(value)) return value;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(value)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new DecodeError("invalid path: expected an absolute path or a `file:` URI");
  }
  if (scheme !== "file") throw new DecodeError(`unsupported path URI scheme \`${scheme}\``);
  if (!URL.canParse(value)) throw new DecodeError("invalid URI");
  const url = new URL(value);
  if (url.hostname !== "" && url.hostname !== "localhost") {
    throw new DecodeError("invalid path URI: expected no host or `localhost`");
  }
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch {
    throw new DecodeError("invalid path URI: the percent-encoding is not UTF-8");
  }
  // A bare colon only: an encoded one is part of a POSIX name.
  return /^\/[A-Za-z]:(\/|$)/.test(url.pathname) ? path.slice(1) : path;
}

/** The `file:` URI of an absolute native path. Brackets stay bare, as in the peer's. */
export function pathToUri(path: string): string {
  const slashed = path.includes("\\") && /^[A-Za-z]:/.test(path) ? `/${path.replaceAll("\\", "/")}` : path;
  const encoded = slashed
    .split("/")
    .map((part) =>
      encodeURIComponent(part).replace(/%(5B|5D|3A|40|24|26|2B|2C|3B|3D)/g, (hex) => decodeURIComponent(hex)),
    )
    .join("/");
  // A POSIX folder named like a drive must not be taken for one.
  return `file://${slashed === path ? encoded.replace(/^\/([A-Za-z]):(?=\/|$)/, "/$1%3A") : encoded}`;
}
