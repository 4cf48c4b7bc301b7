/** The HTTP side of the listener: a health check, the websocket upgrade, and refusals. */

import { Buffer } from "node:buffer";

import { acceptKey, type HttpHead, hasToken } from "../transport/http_head.ts";
import { isOwnHost } from "./access.ts";
import type { Authenticator } from "./credentials.ts";

/** What to answer: a whole response, or the upgrade. */
export type HttpAnswer =
  | { kind: "response"; status: number; body: string; headers?: Record<string, string> }
  | { kind: "upgrade"; key: string };

/** What the answer depends on. */
export interface HttpRules {
  authenticate: Authenticator;
  /** Names besides our own that `Host` may have, in lower case. */
  allowedHosts: readonly string[];
}

/** Decides in the order of the peer: origin, path, upgrade headers, credentials. */
export function answerRequest(head: HttpHead, rules: HttpRules): HttpAnswer {
  const [method, target] = head.start;
  const path = target.split("?", 1)[0]!;
  const { headers } = head;
  // Browsers always send one, our clients never do.
  if (headers.has("origin")) return refusal(403, "");
  const host = headers.get("host")?.[0];
  if (host !== undefined && !isOwnHost(host, rules.allowedHosts)) {
    return refusal(403, "the Host header is no name of this server");
  }
  if (path === "/readyz") {
    if (method !== "GET" && method !== "HEAD") return { ...refusal(405, ""), headers: { allow: "GET,HEAD" } };
    return refusal(200, "");
  }
  if (path !== "/") return refusal(404, "");
  if (method !== "GET") return refusal(405, "Request method must be `GET`");
  if (!hasToken(head, "connection", "upgrade"))
    return refusal(400, "Connection header did not include 'upgrade'");
  if (!hasToken(head, "upgrade", "websocket"))
    return refusal(400, "`Upgrade` header did not include 'websocket'");
  if (headers.get("sec-websocket-version")?.[0] !== "13") {
    return refusal(400, "`Sec-WebSocket-Version` header did not include '13'");
  }
  const key = headers.get("sec-websocket-key")?.[0];
  if (key === undefined) return refusal(400, "`Sec-WebSocket-Key` header missing");
  const denied = rules.authenticate(head);
  return denied === null ? { kind: "upgrade", key } : refusal(401, denied);
}

function refusal(status: number, body: string): HttpAnswer & { kind: "response" } {
  return { kind: "response", status, body };
}

const statusTexts: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
};

/** A whole response, after which the connection ends. */
export function responseText(answer: HttpAnswer & { kind: "response" }, method: string): string {
  const headers = {
    ...(answer.body === "" ? {} : { "content-type": "text/plain; charset=utf-8" }),
    "content-length": String(Buffer.byteLength(answer.body)),
    connection: "close",
    ...answer.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const body = method === "HEAD" ? "" : answer.body;
  return `HTTP/1.1 ${answer.status} ${statusTexts[answer.status] ?? ""}\r\n${lines.join("")}\r\n${body}`;
}

const upgradeStart =
  "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ";
/** The base64 of 20 bytes has 28 characters. */
const KEY_ROOM = " ".repeat(28);
/** Made for the first. */
let upgradeHead: Buffer | undefined;

/** The head that turns the connection into a websocket; good until the next one is made. */
export function upgradeBytes(key: string): Uint8Array {
  upgradeHead ??= Buffer.from(`${upgradeStart}${KEY_ROOM}\r\n\r\n`);
  upgradeHead.write(acceptKey(key), upgradeStart.length, "latin1");
  return upgradeHead;
}
