/** One JSON-RPC message and its text (docs/protocol.md, "Messages"). There is no `jsonrpc` member. */

/** The peer's limits: levels of nesting with the message itself, and values in it. */
const MAX_DEPTH = 127;
const MAX_VALUES = 262_144;

/** An id as it came: a bigint where a number would lose digits. */
export type RequestId = string | number | bigint;

/** The error of an answer. */
export interface ErrorObject {
  code: number;
  message: string;
  data?: unknown;
}

export type Message =
  | { kind: "request"; id: RequestId; method: string; params: unknown }
  | { kind: "notification"; method: string; params: unknown }
  | { kind: "result"; id: RequestId; result: unknown }
  | { kind: "error"; id: RequestId; error: ErrorObject };

/** A text that is no message. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

/** @throws {MalformedMessage} With what is wrong. */
export function parseMessage(text: string): Message {
  let value: unknown;
  try {
    value = surrogateEscape.test(text) ? JSON.parse(text, refuseHalves) : JSON.parse(text);
  } catch (error) {
    throw new MalformedMessage(error instanceof SyntaxError ? "invalid JSON" : "recursion limit exceeded");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MalformedMessage("expected a JSON-RPC object");
  }
  const message = value as Record<string, unknown>;
  // Refusing an answer would leave its call waiting for ever, and an old server lists a directory of any size in one.
  if (message.method !== undefined || message.id === undefined) checkSize(text, value);
  const { method } = message;
  if (typeof method === "string") {
    // Behind the check: there is no bound to the depth of what is no request, and a reviver has a stack.
    const params = losesDigits(message.params) ? exactMembers(text) : message.params;
    if (message.id === undefined) return { kind: "notification", method, params };
    const { trace } = message;
    if (trace !== undefined && (typeof trace !== "object" || Array.isArray(trace))) {
      throw new MalformedMessage("`trace` must be an object or null");
    }
    return { kind: "request", id: requestId(message.id, text), method, params };
  }
  if (method === undefined && message.id !== undefined) {
    if (isErrorObject(message.error)) {
      return { kind: "error", id: requestId(message.id, text), error: message.error };
    }
    if (message.result !== undefined) {
      return { kind: "result", id: requestId(message.id, text), result: message.result };
    }
  }
  throw new MalformedMessage("neither a request, nor a notification, nor an answer");
}

/** Whether a member, such as an offset in a file, is an integer that a number may not hold exactly. */
function losesDigits(params: unknown): boolean {
  if (typeof params !== "object" || params === null) return false;
  for (const name in params) {
    const value: unknown = params[name as never];
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return true;
  }
  return false;
}

/** The parameters with such integers as bigints. */
function exactMembers(text: string): unknown {
  const exact = (_key: string, value: unknown, context?: { source: string }): unknown =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context!.source)
      : value;
  return (JSON.parse(text, exact) as { params: unknown }).params;
}

const surrogateEscape = /\\u[dD][89a-fA-F]/;

/** Half of a surrogate pair, which only an escape can bring, is no text: it has no UTF-8. */
function refuseHalves(key: string, value: unknown): unknown {
  if (key.isWellFormed() && (typeof value !== "string" || value.isWellFormed())) return value;
  throw new SyntaxError("lone surrogate");
}

/** @throws {TypeError} The parameters are no JSON, or have half of a surrogate pair in a text. */
export function requestText(id: number, method: string, params: unknown): string {
  return params === undefined
    ? `{"id":${id},"method":${JSON.stringify(method)}}`
    : `{"id":${id},"method":${JSON.stringify(method)},"params":${paramsText(params)}}`;
}

/** The answer to such a half would name no request, as it is one to a message that cannot be read. */
function paramsText(params: unknown): string {
  const text = JSON.stringify(params);
  // It is written as an escape, but so may be a backslash before these letters.
  if (!text.includes("\\ud")) return text;
  try {
    JSON.parse(text, refuseHalves);
  } catch {
    throw new TypeError("a text cannot contain half of a surrogate pair");
  }
  return text;
}

export function notificationText(method: string, params: unknown): string {
  return params === undefined
    ? `{"method":${JSON.stringify(method)}}`
    : `{"method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`;
}

export function resultText(id: RequestId, result: unknown): string {
  return jsonResultText(id, JSON.stringify(result));
}

/** An answer with a result that is JSON already. */
export function jsonResultText(id: RequestId, result: string): string {
  return `{"id":${idText(id)},"result":${result}}`;
}

/** An answer around the base64 of one member, which comes first. */
export function base64ResultText(
  id: RequestId,
  rest: object,
  member: string,
): { head: string; tail: string } {
  const others = JSON.stringify(rest);
  return {
    head: `{"id":${idText(id)},"result":{"${member}":"`,
    tail: others === "{}" ? '"}}' : `",${others.slice(1)}}`,
  };
}

/** An answer whose bytes are told apart: text that names the member that they are. */
export function rawResultText(id: RequestId, result: unknown, raw: string): string {
  return `{"id":${idText(id)},"result":${JSON.stringify(result)},"raw":"${raw}"}`;
}

/** A request likewise. @throws {TypeError} As {@link requestText}. */
export function rawRequestText(id: number, method: string, params: unknown, raw: string): string {
  return `{"id":${id},"method":${JSON.stringify(method)},"params":${paramsText(params)},"raw":"${raw}"}`;
}

export function errorText(id: RequestId, error: ErrorObject): string {
  return `{"id":${idText(id)},"error":${JSON.stringify(error)}}`;
}

function idText(id: RequestId): string {
  return typeof id === "string" ? JSON.stringify(id) : String(id);
}

function isErrorObject(value: unknown): value is ErrorObject {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Partial<ErrorObject>;
  return Number.isInteger(code) && typeof message === "string";
}

const plainId = /^\s*\{\s*"id"\s*:\s*(-?\d{1,15})\s*[,}]/;
const MIN_ID = -(2n ** 63n);
const MAX_ID = 2n ** 63n - 1n;

/** A string or an integer that fits 64 bits, with all its digits. */
function requestId(value: unknown, text: string): RequestId {
  if (typeof value === "string") return value;
  if (typeof value !== "number") throw new MalformedMessage("`id` must be a string or an integer");
  // Not when another `id` follows, which counts then.
  if (Number(plainId.exec(text)?.[1]) === value) return value;
  const digits = idDigits(text);
  if (!/^-?\d+$/.test(digits)) throw new MalformedMessage("`id` must be a string or an integer");
  const id = BigInt(digits);
  if (id < MIN_ID || id > MAX_ID) throw new MalformedMessage("`id` must fit 64 bits");
  return Number.isSafeInteger(value) ? value : id;
}

/** The source text of the outermost `id`; the last one where there are several, as `JSON.parse` has it. */
function idDigits(text: string): string {
  let depth = 0;
  let found = "";
  const mark = /["{}[\]]/g;
  for (let match = mark.exec(text); match; match = mark.exec(text)) {
    const [word] = match;
    if (word === "{" || word === "[") depth++;
    else if (word === "}" || word === "]") depth--;
    else {
      const end = stringEnd(text, match.index);
      mark.lastIndex = end;
      // No way to write the two letters is longer than 14 characters.
      if (depth !== 1 || end - match.index > 14) continue;
      const value = /^\s*:\s*([-+.\w]+)/.exec(text.slice(end, end + 100));
      if (value && JSON.parse(text.slice(match.index, end)) === "id") found = value[1]!;
    }
  }
  return found;
}

/** Where a string that begins at the index ends. Not by one expression: its stack would limit the length. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text[before - 1] === "\\") before--;
    if ((end - before) % 2 === 0) return end + 1;
  }
}

/** Counts levels and values, unless the text is too short for either to be too many. */
function checkSize(text: string, value: object): void {
  if (text.length < 2 * MAX_DEPTH) return;
  let values = 0;
  let level: object[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= MAX_DEPTH) throw new MalformedMessage("recursion limit exceeded");
    const next: object[] = [];
    for (const container of level) {
      for (const item of Array.isArray(container) ? container : Object.values(container)) {
        values++;
        if (typeof item === "object" && item !== null) next.push(item);
      }
    }
    if (values > MAX_VALUES) {
      throw new MalformedMessage(`JSON-RPC message exceeds the limit of ${MAX_VALUES} JSON values`);
    }
    level = next;
  }
}
