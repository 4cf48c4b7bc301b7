/** Paths of the wire as bytes, and back: native up to 0.138.0, `file:` URIs since 0.169.0. We take both, exactly. */

import { Buffer } from "node:buffer";
import { RpcError, rpcCode } from "../protocol/errors.ts";

/** An absolute path without `.`, `..`, doubled or trailing slashes, one character a byte, and how it was written. */
export interface WirePath {
  readonly bytes: string;
  readonly form: PathForm;
}

export type PathForm = "native" | "uri";

/**
 * Reads a path. `..` takes back the name before it, whatever that is: a link is not followed.
 * @throws {RpcError} −32602 for what is no absolute path, −32600 for one of another system or with NUL.
 */
export function wirePath(text: string): WirePath {
  if (text.startsWith("/")) {
    const bytes = Buffer.from(text).toString("latin1");
    if (bytes.includes("\0")) throw nulByte();
    return { bytes: normalized(bytes), form: "native" };
  }
  return { bytes: normalized(uriBytes(text)), form: "uri" };
}

/** The path as the request wrote its own; a name that is not UTF-8 can be told by a URI only. */
export function pathText(bytes: string, form: PathForm): string {
  if (form === "uri") return uriText(bytes);
  return utf8Text(bytes) ?? uriText(bytes);
}

/** The text that bytes are in UTF-8; undefined when they are none. */
export function utf8Text(bytes: string): string | undefined {
  if (!/[\x80-\xff]/.test(bytes)) return bytes;
  try {
    return utf8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return undefined;
  }
}

/** For people: what is not UTF-8 becomes replacement characters. */
export function lossyText(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, "latin1").toString() : bytes;
}

/** A name below a directory. */
export function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The directory of a path, and its last name; of the root, itself and `.`. */
export function splitPath(bytes: string): { directory: string; name: string } {
  const at = bytes.lastIndexOf("/");
  return { directory: at <= 0 ? "/" : bytes.slice(0, at), name: bytes.slice(at + 1) || "." };
}

/** Takes `.`, `..` and spare slashes out by the letters alone. */
export function normalized(bytes: string): string {
  // Nearly every path needs nothing.
  if (!/\/(\.{0,2}(\/|$))/.test(bytes)) return bytes;
  const parts: string[] = [];
  for (const part of bytes.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A URI in which every character stands for itself, and none may belong to a drive; dots are looked at later. */
const plainUri = /^file:\/\/(\/[\w\-.~!$&'()*+,;=@/]*)$/;

function uriBytes(text: string): string {
  const plain = plainUri.exec(text)?.[1];
  // To a URI, `..` takes back the nothing between two slashes; to a path, the name before them.
  if (plain !== undefined && !plain.includes("//")) return plain;
  const scheme = /^\s*([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw invalid(text, "expected an absolute path or a `file:` URI");
  if (scheme !== "file")
    throw new RpcError(rpcCode.invalidParams, `unsupported path URI scheme \`${scheme}\``);
  // To a URL `C|` is a drive as well; to the peer, and here, it is a name.
  const barred = text.replaceAll("|", "%7C");
  const url = URL.canParse(barred) ? new URL(barred) : undefined;
  if (!url) throw invalid(text, "expected a `file:` URI");
  if (text.includes("?"))
    throw new RpcError(rpcCode.invalidParams, "query parameters are not allowed in path URIs");
  if (text.includes("#")) throw new RpcError(rpcCode.invalidParams, "fragments are not allowed in path URIs");
  const isDrive = /^\/[A-Za-z]:(\/|$)/.test(url.pathname);
  if (url.hostname !== "" || isDrive) throw foreign(rpcCode.invalidRequest, text);
  // What is escaped wrongly stands for itself.
  const bytes = url.pathname.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (bytes.includes("\0")) {
    // The peer's form for what its paths cannot express, as names of another system.
    const isUnspeakable = bytes.startsWith("/\0/bad/path/");
    throw foreign(isUnspeakable ? rpcCode.invalidRequest : rpcCode.invalidParams, text);
  }
  return bytes;
}

/** Left as they are in a URI; the peer keeps brackets too. */
const bare = /[^A-Za-z0-9\-_.!~*'()[\]:@$&+,;=|^/]/g;

function uriText(bytes: string): string {
  const encoded = bytes.replace(
    bare,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
  // A folder named like a drive must not be taken for one, nor `C|`, which is one to URLs.
  return `file://${encoded.replace(/^\/([A-Za-z])([:|])(?=\/|$)/, (_, letter, sign) => `/${letter}${sign === ":" ? "%3A" : "%7C"}`)}`;
}

function invalid(text: string, wanted: string): RpcError {
  return new RpcError(rpcCode.invalidParams, `invalid path ${quoted(text)}: ${wanted}`);
}

function foreign(code: number, text: string): RpcError {
  return new RpcError(code, `'${text.slice(0, 200)}' is invalid on 'linux'`);
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

export function nulByte(): RpcError {
  return new RpcError(rpcCode.invalidRequest, "file name contained an unexpected NUL byte");
}
