/** Header lines: checked, in lower case, repeated names together, as the protocol sends and receives them. */

import { Buffer } from "node:buffer";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { HttpHeader, HttpRequestHeader } from "../protocol/http.ts";
import { isHttpToken } from "../protocol/http_token.ts";

/** The values of one name. */
interface Entry {
  values: string[];
  /** A value came from a variable of the server: it is for the first origin only. */
  lent: boolean;
}

/** Header lines of a request by lower-case name, in the order of their first appearance. */
export class RequestHeaders {
  readonly #entries: Map<string, Entry>;

  constructor(entries: Iterable<[string, Entry]> = []) {
    this.#entries = new Map(entries);
  }

  /**
   * Takes what a client has sent.
   * @throws {RpcError} A name or value that cannot be sent, or a variable that is not lent or not set.
   */
  static from(
    headers: readonly HttpRequestHeader[],
    variable: (name: string, header: string) => string,
  ): RequestHeaders {
    const result = new RequestHeaders();
    for (const { name, value, valueEnvVar } of headers) {
      if (!isHttpToken(name)) {
        throw new RpcError(
          rpcCode.invalidParams,
          "http/request header name is invalid: invalid HTTP header name",
        );
      }
      const whole = valueEnvVar === undefined ? value : value + variable(valueEnvVar, name);
      if (/[\x00-\x08\x0a-\x1f\x7f]/.test(whole)) {
        throw new RpcError(
          rpcCode.invalidParams,
          `http/request header value is invalid for ${name}: failed to parse header value`,
        );
      }
      result.#add(name.toLowerCase(), whole, valueEnvVar !== undefined);
    }
    return result;
  }

  #add(name: string, value: string, lent: boolean): void {
    const entry = this.#entries.get(name);
    if (!entry) this.#entries.set(name, { values: [value], lent });
    else {
      entry.values.push(value);
      entry.lent ||= lent;
    }
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  values(name: string): readonly string[] {
    return this.#entries.get(name)?.values ?? [];
  }

  set(name: string, value: string): void {
    this.#entries.set(name, { values: [value], lent: false });
  }

  setFirst(name: string, value: string): RequestHeaders {
    return new RequestHeaders([[name, { values: [value], lent: false }], ...this.#entries]);
  }

  without(drop: (name: string, lent: boolean) => boolean): RequestHeaders {
    return new RequestHeaders([...this.#entries].filter(([name, { lent }]) => !drop(name, lent)));
  }

  /** As they go out, one character a byte: text beyond ASCII is sent as UTF-8. */
  lines(): string {
    let lines = "";
    for (const [name, { values }] of this.#entries) {
      for (const value of values) lines += `${name}: ${Buffer.from(value).toString("latin1")}\r\n`;
    }
    return lines;
  }
}

/** Header lines of an answer out of names, in lower case, and values in turn, as they came. */
export function responseHeaders(raw: readonly string[]): HttpHeader[] {
  const grouped = new Map<string, HttpHeader[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = name === "location" ? inAscii(raw[i + 1]!) : raw[i + 1]!;
    if (!/^[\t\x20-\x7e]*$/.test(value)) continue;
    const header = { name, value };
    const known = grouped.get(name);
    if (known) known.push(header);
    else grouped.set(name, [header]);
  }
  return [...grouped.values()].flat();
}

/** A URL whose bytes beyond ASCII are written as in a URL, one character a byte before. */
export function inAscii(url: string): string {
  return url.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}
