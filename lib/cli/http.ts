/** `exec-server http`: one HTTP request from an environment's machine, in the way of curl. */

import { Buffer } from "node:buffer";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { HttpAnswer, HttpRequestOptions } from "../client/http_requests.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import { type FlagSpec, type Parsed, parseFlags } from "../flags/flags.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import type { HttpRequestHeader } from "../protocol/http.ts";
import { isHttpToken } from "../protocol/http_token.ts";
import { timerMs } from "../protocol/timer.ts";
import { currentRuntime, type Runtime } from "../runtime/runtime.ts";
import { complain, exitStatus, OutputFailed, outputFailure } from "./output.ts";
import { readText } from "./text_file.ts";

export const httpFlags = {
  environment: {
    type: "string",
    short: "e",
    value: "ID",
    help: "Where to ask from (default: the default environment)",
  },
  header: {
    type: "list",
    short: "H",
    value: "LINE",
    help: 'A header, "Name: value", or @FILE with one a line, which\nkeeps secrets out of the process list (repeatable)',
  },
  "header-env": {
    type: "list",
    value: "LINE",
    help: 'A header that ends in a variable of the server, which it\nmust lend: "Authorization: Bearer {NAME}" (repeatable)',
  },
  data: {
    type: "string",
    short: "d",
    value: "TEXT",
    help: "The body: a text, @FILE, or @- for standard input\n(makes POST the default method)",
  },
  include: { type: "boolean", short: "i", help: "Print status and headers too" },
  output: { type: "string", short: "o", value: "FILE", help: "Write the body to a file" },
  fail: { type: "boolean", short: "f", help: "Status 22, and no body, for an answer of 400 and above" },
  "no-follow": { type: "boolean", help: "A redirect is the answer" },
  "max-time": { type: "number", value: "S", help: "Give up after so many seconds (status 124)" },
} as const satisfies Record<string, FlagSpec>;

type HttpFlags = Parsed<typeof httpFlags>["flags"];

/** `--fail` and an answer of 400 or above, as curl has it. */
const REFUSED_STATUS = 22;
/** A server has so long beyond `--max-time` to say that it is over. */
const GRACE_MS = 1000;

/** Answers the exit status. */
export async function http(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, httpFlags);
  if (rest.length === 0 || rest.length > 2) {
    throw new ExecServerError(
      "ERR_USAGE",
      '"http" needs a URL, and a method before it if not GET: http POST URL',
    );
  }
  const runtime = await currentRuntime();
  const options = await requestOptions(runtime, flags, rest);
  await using manager = await EnvironmentManager.open();
  const maxMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
  let asked = Number.POSITIVE_INFINITY;
  try {
    const client = await manager.get(flags.environment).client();
    asked = performance.now();
    return await deliver(
      runtime,
      await client.httpRequest({ ...options, signal: graceSignal(maxMs) }),
      flags,
    );
  } catch (error) {
    const timedOut = performance.now() - asked >= maxMs;
    if (!timedOut && !(error instanceof RpcError) && !(error instanceof ExecServerError)) throw error;
    complain(`exec-server: ${timedOut ? `not done in ${maxMs} ms` : (error as Error).message}`);
    return timedOut ? exitStatus.timeout : statusOf(error as Error);
  }
}

/** The server gives up in time; one that does not answer at all is not waited for. */
function graceSignal(maxMs: number): AbortSignal | undefined {
  return maxMs === Number.POSITIVE_INFINITY ? undefined : AbortSignal.timeout(timerMs(maxMs + GRACE_MS));
}

function statusOf(error: Error): number {
  // The request may have been carried out.
  const isLost = error instanceof ExecServerError && error.code === "ERR_DISCONNECTED";
  return isLost ? exitStatus.unknown : exitStatus.failed;
}

async function requestOptions(
  runtime: Runtime,
  flags: HttpFlags,
  words: readonly string[],
): Promise<HttpRequestOptions> {
  const { data } = flags;
  const { method, url } = target(words, data === undefined ? "GET" : "POST");
  const maxTime = flags["max-time"];
  const headers = [
    ...flags.header.flatMap((line) => headerLines(line)),
    ...flags["header-env"].map((line) => lentHeader(line)),
  ];
  const content = data === undefined ? undefined : await body(runtime, data);
  const saysLength = headers.some(({ name }) => /^(content-length|transfer-encoding)$/i.test(name));
  // Some origins want to know that nothing comes.
  if (!content?.length && !saysLength && (method === "POST" || method === "PUT")) {
    headers.push({ name: "content-length", value: "0" });
  }
  return {
    method,
    url,
    headers,
    body: content,
    redirectPolicy: flags["no-follow"] ? "stop" : "follow",
    timeoutMs: maxTime === undefined ? undefined : Math.ceil(maxTime * 1000),
  };
}

/** Errors do not show the URL: it may have a password in it. */
function target(words: readonly string[], ordinary: string): { method: string; url: string } {
  const [method, url] = words.length === 2 ? [words[0]!, words[1]!] : [ordinary, words[0]!];
  if (isUrl(method) && !isUrl(url)) {
    throw new ExecServerError("ERR_USAGE", `The method stands before the URL: http ${url} URL`);
  }
  if (!isHttpToken(method)) {
    throw new ExecServerError("ERR_USAGE", `"${method}" is no method: http METHOD URL`);
  }
  if (isUrl(url)) return { method, url };
  throw new ExecServerError("ERR_USAGE", "What is to be asked is no URL: expected http://… or https://…");
}

function isUrl(word: string): boolean {
  return URL.canParse(word) && /^https?:$/.test(new URL(word).protocol);
}

/** Errors do not show the line: it may be a secret. */
function headerLines(text: string): HttpRequestHeader[] {
  const path = text.startsWith("@") ? text.slice(1) : undefined;
  const lines = path === undefined ? [text] : headerFile(path).split(/\r?\n/);
  return lines.flatMap((line, at) => {
    if (path !== undefined && line.trim() === "") return [];
    const header = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (header) return [{ name: header[1]!, value: header[2]! }];
    const where = path === undefined ? '"--header" has a value' : `"${path}" has a line ${at + 1}`;
    throw new ExecServerError("ERR_USAGE", `${where} that is no header: expected "Name: value"`);
  });
}

function lentHeader(text: string): HttpRequestHeader {
  const header = /^([^\s:]+):[ \t]*(.*)\{([^{}=\s]+)\}$/.exec(text);
  if (header) return { name: header[1]!, value: header[2]!, valueEnvVar: header[3]! };
  throw new ExecServerError(
    "ERR_USAGE",
    '"--header-env" has a wrong value: expected "Name: value {VARIABLE}"',
  );
}

function headerFile(path: string): string {
  try {
    return readText(path);
  } catch (error) {
    throw new ExecServerError("ERR_USAGE", `Cannot read "${path}": ${(error as Error).message}`);
  }
}

async function body(runtime: Runtime, data: string): Promise<Uint8Array> {
  if (!data.startsWith("@")) return Buffer.from(data);
  if (data !== "@-") {
    try {
      return readFileSync(data.slice(1));
    } catch (error) {
      throw new ExecServerError("ERR_USAGE", `Cannot read "${data.slice(1)}": ${(error as Error).message}`);
    }
  }
  const pieces: Uint8Array[] = [];
  const input = runtime.stdin();
  for (let piece = await input.read(); piece; piece = await input.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function deliver(runtime: Runtime, answer: HttpAnswer, flags: HttpFlags): Promise<number> {
  const { status, headers } = answer;
  const refused = flags.fail && status >= 400;
  const stdout = runtime.stdout();
  try {
    if (flags.include) {
      const lines = headers.map(({ name, value }) => `${name}: ${value}\n`);
      await stdout.write(Buffer.from(`HTTP ${status}\n${lines.join("")}\n`, "latin1"));
    }
    if (refused) {
      await answer.body.cancel();
      complain(`exec-server: the answer has status ${status}`);
      return REFUSED_STATUS;
    }
    if (flags.output !== undefined) await writeFile(flags.output, answer);
    else for await (const bytes of answer.body) await stdout.write(bytes);
    return exitStatus.ok;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    // Of the system, not of ours.
    if (!/^E[A-Z\d]+$/.test(code)) throw error;
    await answer.body.cancel().catch(() => {});
    if (flags.output === undefined) return outputFailure(new OutputFailed(error));
    complain(`exec-server: Cannot write ${JSON.stringify(flags.output)}: ${message}`);
    return exitStatus.failed;
  }
}

async function writeFile(path: string, answer: HttpAnswer): Promise<void> {
  let file: number;
  try {
    file = openSync(path, "w");
  } catch (error) {
    await answer.body.cancel();
    throw new ExecServerError("ERR_USAGE", `Cannot write "${path}": ${(error as Error).message}`);
  }
  try {
    for await (const bytes of answer.body) {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    }
  } finally {
    closeSync(file);
  }
}
