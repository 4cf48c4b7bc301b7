/** `http/*`: the requests of one connection. They end with it, whatever becomes of the session. */

import process from "node:process";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type {
  BodyConsumedParams,
  CancelParams,
  CancelResult,
  HttpRequestParams,
  HttpRequestResult,
} from "../protocol/http.ts";
import type { Family, Handlers } from "../protocol/methods.ts";
import { timerMs } from "../protocol/timer.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readWhole, sendBody, type Window } from "./body.ts";
import type { BodyReader } from "./body_reader.ts";
import { Cancellation } from "./cancellation.ts";
import { authorities } from "./certificates.ts";
import { ConnectionPool } from "./connection_pool.ts";
import { exchange } from "./exchange.ts";
import { HttpFailure, RedirectFailure, requestError, toFailure } from "./failure.ts";
import { responseHeaders } from "./headers.ts";
import type { Answer } from "./origin_connection.ts";
import { HttpPolicy } from "./policy.ts";
import { proxyFor } from "./proxies.ts";
import { type Hop, MAX_REDIRECTS, nextHop } from "./redirects.ts";
import { firstHop } from "./request_params.ts";
import type { Resolve } from "./resolve.ts";

/** What a server lets its clients ask, and with what. */
export interface HttpOptions {
  /** @default Everything but link-local addresses and the metadata services of clouds. */
  policy?: HttpPolicy;
  /** Variables of the server whose values clients may send without seeing them. @default {[]} */
  lentVariables?: readonly string[];
  /**
   * Where proxies, certificates and lent variables are looked up.
   * @default That of the program, as it is at the first request of a connection.
   */
  env?: Readonly<Record<string, string | undefined>>;
  /** @default As the system does. */
  resolve?: Resolve;
}

/** The connection that the requests belong to. */
export interface HttpLink {
  send(text: string): void;
  /** Sends a message of which the bytes between head and tail are to be base64. */
  sendBase64(head: string, bytes: Uint8Array, tail: string): void;
  /** Nothing when more may be sent, else a promise for when it may, or for the end of the connection. */
  ready(): Promise<void> | undefined;
}

/** A request that is running. */
interface Active {
  requestId: string;
  cancellation: Cancellation;
  /** There for streamed answers only. */
  window: Window | undefined;
  /** Bodies of redirects that are read for nobody. */
  left: BodyReader[];
}

export class HttpRequests implements Pick<Handlers, Family<"http">> {
  readonly #link: HttpLink;
  readonly #runtime: Runtime;
  readonly #options: HttpOptions;
  #copiedEnv: Readonly<Record<string, string | undefined>> | undefined;
  readonly #policy: HttpPolicy;
  readonly #lent: ReadonlySet<string>;
  readonly #pool = new ConnectionPool();
  readonly #active = new Set<Active>();
  #over = false;

  constructor(link: HttpLink, runtime: Runtime, options: HttpOptions = {}) {
    this.#link = link;
    this.#runtime = runtime;
    this.#options = options;
    this.#policy = options.policy ?? new HttpPolicy();
    this.#lent = new Set(options.lentVariables);
  }

  readonly "http/request" = (params: HttpRequestParams): Promise<HttpRequestResult> => {
    const { requestId, streamResponse = false } = params;
    if (streamResponse && this.#stream(requestId)) {
      throw new RpcError(
        rpcCode.invalidParams,
        `http/request streamResponse requestId \`${requestId}\` is already active`,
      );
    }
    const hop = firstHop(params, this.#env, this.#lent);
    const active: Active = {
      requestId,
      cancellation: new Cancellation(),
      window: streamResponse ? { bytes: params.windowBytes, unacknowledged: [], open: undefined } : undefined,
      left: [],
    };
    this.#active.add(active);
    return this.#run(active, hop, params);
  };

  readonly "http/request/cancel" = ({ requestId }: CancelParams): CancelResult => {
    const found = [...this.#active].filter((active) => active.requestId === requestId);
    for (const { cancellation } of found) {
      cancellation.cancel(new HttpFailure("cancelled", "the request was cancelled by the client"));
    }
    return { cancelled: found.length > 0 };
  };

  /** The notification `http/request/consumed`. One for a stream that has ended is nothing. */
  consumed({ requestId, seq }: BodyConsumedParams): void {
    const window = this.#stream(requestId)?.window;
    if (!window) return;
    while ((window.unacknowledged[0]?.seq ?? Number.POSITIVE_INFINITY) <= seq) window.unacknowledged.shift();
    window.open?.resolve();
  }

  /** The connection is over: so are its requests, and their connections are closed. */
  dispose(): void {
    this.#over = true;
    const reason = new HttpFailure("cancelled", "the client has gone");
    for (const { cancellation } of this.#active) cancellation.cancel(reason);
    this.#pool.destroy();
  }

  /** A copy, as each look into the environment itself is a call of the runtime. */
  get #env(): Readonly<Record<string, string | undefined>> {
    this.#copiedEnv ??= this.#options.env ?? { ...process.env };
    return this.#copiedEnv;
  }

  #stream(requestId: string): Active | undefined {
    return [...this.#active].find((active) => active.window && active.requestId === requestId);
  }

  async #run(active: Active, hop: Hop, params: HttpRequestParams): Promise<HttpRequestResult> {
    const { cancellation } = active;
    const timer = this.#limit(active, params.timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      this.#active.delete(active);
      // One that has no end would keep its connection for as long.
      for (const body of active.left) body.destroy(new HttpFailure("cancelled", "it was redirected"));
      if (this.#over) this.#pool.destroy();
    };
    let streaming = false;
    try {
      const answer = await this.#follow(hop, params.redirectPolicy ?? "follow", active);
      const result = { status: answer.status, headers: responseHeaders(answer.rawHeaders) };
      if (!active.window) {
        return { ...result, bodyBase64: await readWhole(answer.body, cancellation) };
      }
      streaming = true;
      const { window, requestId } = active;
      // In a later turn: the answer must have gone out before the first delta.
      setImmediate(() => {
        sendBody(answer.body, { requestId, window, link: this.#link, cancellation }).finally(finish);
      });
      return { ...result, bodyBase64: new Uint8Array(0) };
    } finally {
      if (!streaming) finish();
    }
  }

  #limit(active: Active, timeoutMs: number | undefined): ReturnType<typeof setTimeout> | undefined {
    if (timeoutMs === undefined) return undefined;
    const expire = (): void => {
      active.cancellation.cancel(new HttpFailure("timeout", `not done in ${timeoutMs} ms`));
    };
    if (timeoutMs > 0) return setTimeout(expire, timerMs(timeoutMs));
    expire();
    return undefined;
  }

  /** @throws {RpcError} There is no answer. */
  async #follow(first: Hop, policy: "follow" | "stop", { cancellation, left }: Active): Promise<Answer> {
    try {
      let hop = first;
      for (let redirects = 0; ; redirects++) {
        cancellation.throwIfOver();
        const answer = await exchange(hop, this.#pool, {
          runtime: this.#runtime,
          policy: this.#policy,
          proxy: proxyFor(hop.url, this.#env),
          ca: hop.url.protocol === "https:" ? authorities(this.#env) : undefined,
          cancellation,
          resolve: this.#options.resolve,
        });
        if (policy === "stop") return answer;
        const next = nextHop(hop, answer.status, answer.location);
        if (!next) return answer;
        leave(answer, left);
        if (redirects === MAX_REDIRECTS) throw new RedirectFailure("protocol", "too many redirects");
        hop = next;
      }
    } catch (error) {
      throw requestError(toFailure(error, "protocol"), first.url.href);
    }
  }
}

/** The body of a redirect is not looked at; a short one is read, so that the connection can be used again. */
function leave({ body }: Answer, left: BodyReader[]): void {
  if ((body.announcedBytes ?? Number.POSITIVE_INFINITY) <= 16_384) {
    body.drop();
    left.push(body);
  } else body.destroy(new HttpFailure("cancelled", "it was redirected"));
}
