/** What a client asks for, checked: after this nobody checks again. */

import { Buffer } from "node:buffer";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { HttpRequestParams } from "../protocol/http.ts";
import { isHttpToken } from "../protocol/http_token.ts";
import { RequestHeaders } from "./headers.ts";
import type { Hop } from "./redirects.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The first hop of a request.
 * @throws {RpcError} −32602: something in it cannot be sent.
 */
export function firstHop(params: HttpRequestParams, env: Variables, lent: ReadonlySet<string>): Hop {
  const { method, bodyBase64 } = params;
  if (!isHttpToken(method)) throw invalid("method is invalid: invalid HTTP method");
  if (method === "CONNECT") throw invalid("method is invalid: CONNECT opens a tunnel and has no answer");
  const url = parseUrl(params.url);
  const body = bodyBase64 !== undefined && bodyBase64.length > 0 ? bodyBase64 : undefined;
  let headers = RequestHeaders.from(params.headers ?? [], (name, header) =>
    lentVariable(name, header, env, lent),
  );
  checkLength(headers, body);
  if ((url.username !== "" || url.password !== "") && !headers.has("authorization")) {
    const credentials = `${decoded(url.username)}:${decoded(url.password)}`;
    headers = headers.setFirst("authorization", `Basic ${Buffer.from(credentials).toString("base64")}`);
  }
  // Setting a part writes the whole anew.
  if (url.username !== "") url.username = "";
  if (url.password !== "") url.password = "";
  if (url.href.includes("#")) url.hash = "";
  return { method, url, headers, body };
}

function invalid(message: string): RpcError {
  return new RpcError(rpcCode.invalidParams, `http/request ${message}`);
}

function lentVariable(name: string, header: string, env: Variables, lent: ReadonlySet<string>): string {
  if (!lent.has(name)) {
    throw invalid(
      `header ${header} asks for the environment variable ${name}, which this server does not lend: see --http-env`,
    );
  }
  const value = env[name];
  if (value === undefined) throw invalid(`header ${header} requires executor environment variable ${name}`);
  return value;
}

/** Another length would cut the body, or have the origin wait for the rest. */
function checkLength(headers: RequestHeaders, body: Uint8Array | undefined): void {
  const length = body?.length ?? 0;
  const wrong = headers
    .values("content-length")
    .find((text) => !/^\d+$/.test(text) || Number(text) !== length);
  if (wrong !== undefined) {
    throw invalid(`header content-length is ${JSON.stringify(wrong)}, but the body has ${length} bytes`);
  }
  const coding = headers.values("transfer-encoding").join(", ");
  if (headers.has("transfer-encoding") && !/^chunked$/i.test(coding)) {
    throw invalid(`header transfer-encoding is ${JSON.stringify(coding)}: only chunked can be sent`);
  }
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid(`url is invalid: ${urlFault(text)}`);
  }
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw invalid(`only supports http and https URLs, got ${url.protocol.slice(0, -1)}`);
}

/** In the words of the peer, as far as they can be told apart. */
function urlFault(text: string): string {
  const match = /^\s*[a-z][a-z0-9+.-]*:[\\/]*(?:[^@/\\?#]*@)?([^/\\?#]*)/i.exec(text);
  if (!match) return "relative URL without a base";
  const host = match[1]!;
  if (host === "" || host.startsWith(":")) return "empty host";
  if (host.startsWith("["))
    return /\](:.*)?$/.test(host) && /\]:/.test(host) ? "invalid port number" : "invalid IPv6 address";
  const port = /:([^:]*)$/.exec(host)?.[1];
  if (port !== undefined && (!/^\d*$/.test(port) || Number(port) > 65_535)) return "invalid port number";
  return "invalid international domain name";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
