/** A client that knows nothing of lib/: JSON text in and out, over Bun's own websocket or over stdio. */

import { Buffer } from "node:buffer";
import { DeadlineError, within } from "./deadline.ts";
import { type LaunchOptions, Running, type Server, type ServerFolder } from "./servers.ts";

/** A message as it came. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
export type Json = any;

/** Where texts go. */
interface Link {
  send(message: string | Uint8Array): void;
  close(): void;
}

const DEADLINE_MS = 8000;

export class RawClient {
  /** Every message so far, as parsed. */
  readonly messages: Json[] = [];
  /** Every message so far, as text. */
  readonly texts: string[] = [];
  /** Who gets the notifications of a process, in place of `messages`. */
  readonly route = new Map<string, (method: string, params: Json) => void>();
  sessionId = "";
  info: Json;
  /** Settles at the end of the connection with the close code; -1 over stdio. */
  readonly closed: Promise<{ code: number; reason: string }>;
  isClosed = false;
  #link: Link | undefined;
  #lastId = 0;
  readonly #close = Promise.withResolvers<{ code: number; reason: string }>();
  readonly #waiters = new Set<() => void>();

  constructor() {
    this.closed = this.#close.promise;
  }

  static async websocket(
    url: string,
    options: { headers?: Record<string, string> } = {},
  ): Promise<RawClient> {
    const client = new RawClient();
    const socket = new WebSocket(url, options as never);
    socket.binaryType = "arraybuffer";
    const open = Promise.withResolvers<void>();
    socket.onopen = () => open.resolve();
    socket.onerror = () => open.reject(new Error(`Cannot connect to ${url}`));
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") throw new Error("The server sent a binary message");
      client.receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      open.reject(new Error(`Cannot connect to ${url}: ${code} ${reason}`));
      client.end(code, reason);
    };
    await within(DEADLINE_MS, `connection to ${url}`, open.promise);
    client.#link = { send: (message) => socket.send(message as string), close: () => socket.close(1000) };
    return client;
  }

  static stdio(server: Server, folder: ServerFolder, options: LaunchOptions = {}): StdioClient {
    return new StdioClient(server, folder, options);
  }

  protected attach(link: Link): void {
    this.#link = link;
  }

  receive(text: string): void {
    const message = JSON.parse(text);
    const route = message.id === undefined && this.route.get(message.params?.processId);
    if (route) {
      route(message.method, message.params);
    } else {
      this.messages.push(message);
      this.texts.push(text);
    }
    this.#wake();
  }

  end(code: number, reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#close.resolve({ code, reason });
    this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  /** Sends text, bytes, or a value as JSON. */
  send(message: unknown): void {
    const raw = typeof message === "string" || message instanceof Uint8Array;
    this.#link!.send(raw ? message : JSON.stringify(message));
  }

  notify(method: string, params?: unknown): void {
    this.send({ method, params });
  }

  /** Sends a request; answers its id. */
  post(method: string, params?: unknown): number {
    const id = ++this.#lastId;
    this.send({ id, method, params });
    return id;
  }

  /** Sends a request and waits for the whole answer. */
  async ask(method: string, params?: unknown, ms = DEADLINE_MS): Promise<Json> {
    const id = this.post(method, params);
    return await this.answer(id, ms, method);
  }

  /** Sends a request and waits for its result; an error of the server is thrown. */
  async call(method: string, params?: unknown, ms = DEADLINE_MS): Promise<Json> {
    const answer = await this.ask(method, params, ms);
    if (answer.error) throw new Error(`${method}: ${answer.error.code} ${answer.error.message}`);
    return answer.result;
  }

  /** The answer to an id; it is taken out of `messages`. */
  async answer(id: unknown, ms = DEADLINE_MS, what = ""): Promise<Json> {
    return await this.next((message) => message.id === id && !message.method, ms, `answer ${id} ${what}`);
  }

  /** The first message that fits, past or future; it is taken out of `messages`. */
  async next(fits: (message: Json) => boolean, ms = DEADLINE_MS, what = "message"): Promise<Json> {
    const end = performance.now() + ms;
    for (;;) {
      const index = this.messages.findIndex(fits);
      if (index >= 0) {
        this.texts.splice(index, 1);
        return this.messages.splice(index, 1)[0];
      }
      if (this.isClosed) throw new Error(`The connection ended before: ${what}`);
      const left = end - performance.now();
      if (left <= 0) throw new DeadlineError(`No ${what} within ${ms} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    }
  }

  /** Waits until a look at what came is content; nothing is taken out. */
  async until<T>(test: () => T, ms = DEADLINE_MS, what = "what was waited for"): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const value = test();
      if (value) return value;
      const left = end - performance.now();
      if (this.isClosed) throw new Error(`The connection ended before: ${what}`);
      if (left <= 0) throw new DeadlineError(`No ${what} within ${ms} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    }
  }

  /** The handshake. */
  async initialize(params: object = {}): Promise<this> {
    const result = await this.call("initialize", { clientName: "raw", ...params });
    this.sessionId = result.sessionId;
    this.info = result.environmentInfo;
    this.notify("initialized", {});
    return this;
  }

  /** Ends the connection and waits for the end. */
  async close(): Promise<void> {
    if (!this.isClosed) this.#link!.close();
    await within(DEADLINE_MS, "end of the connection", this.closed);
  }
}

/** A client over the stdio of a server that it starts. */
export class StdioClient extends RawClient {
  readonly running: Running;

  constructor(server: Server, folder: ServerFolder, options: LaunchOptions = {}) {
    super();
    this.running = new Running(server, folder, { args: ["--listen", "stdio"], ...options });
    const { stdin } = this.running.child;
    this.attach({
      send: (message) => {
        // A server that has ended reads no more; what it said tells the test.
        const ignore = (): void => {};
        try {
          stdin.write(message as string);
          if (typeof message === "string") stdin.write("\n");
          Promise.resolve(stdin.flush()).catch(ignore);
        } catch {
          ignore();
        }
      },
      close: () => stdin.end(),
    });
    this.#read();
  }

  async #read(): Promise<void> {
    let pieces: Buffer[] = [];
    for await (const bytes of this.running.child.stdout) {
      let rest = Buffer.from(bytes);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = Buffer.concat([...pieces, rest.subarray(0, end)]).toString();
        pieces = [];
        rest = rest.subarray(end + 1);
        this.receive(line);
      }
      if (rest.length > 0) pieces.push(rest);
    }
    this.end(-1, pieces.length > 0 ? "an unfinished line" : "");
  }

  /** Ends the input and waits for the end of the server. */
  override async close(): Promise<void> {
    this.running.child.stdin.end();
    await this.running.exit();
    await within(DEADLINE_MS, "end of output", this.closed);
  }
}
