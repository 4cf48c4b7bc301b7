/** A connection to an origin or its proxy: one request at a time, and whether it can take another. */

import { Buffer } from "node:buffer";
import type { ByteStream, StreamHandlers } from "../runtime/runtime.ts";
import { BodyReader } from "./body_reader.ts";
import type { Cancellation } from "./cancellation.ts";
import { HttpFailure, toFailure } from "./failure.ts";
import { type ResponseHead, ResponseParser, type ResponseTaker } from "./response_parser.ts";

/** An answer of which the body is still to come. */
export interface Answer {
  status: number;
  /** Names and values in turn, as they came. */
  rawHeaders: readonly string[];
  body: BodyReader;
  location: string | undefined;
}

/** A request in the form of the wire. */
export interface RequestBytes {
  method: string;
  /** First line, header lines and the blank line, one character a byte. */
  head: string;
  body: Uint8Array | undefined;
  /** The request says that it is the last of its connection. */
  isLast: boolean;
}

/** A connection that was kept open was closed before the first byte of an answer. */
export class StaleConnection extends HttpFailure {}

/** Smaller bodies go out with the head. */
const JOIN_BYTES = 16 * 1024;

/** The request that a connection is busy with. */
interface Exchange {
  parser: ResponseParser;
  isLast: boolean;
  /** Set when the head is there. */
  body: BodyReader | undefined;
  resolve(answer: Answer): void;
  reject(failure: unknown): void;
  /** Takes the listener off. */
  release(): void;
}

export class OriginConnection implements StreamHandlers, ResponseTaker {
  readonly #stream: ByteStream;
  #exchange: Exchange | undefined;
  #isOver = false;
  #wasUsed = false;
  #heard = false;
  /** Called when an answer is whole and the connection can take another request. */
  onFree: (() => void) | undefined;
  /** Called when it takes no other request, and ends when the rest of this one has been sent. */
  onEnding: (() => void) | undefined;
  /** Called once, at the end. */
  onOver: (() => void) | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What the system has not taken yet of the request. */
  get pendingBytes(): number {
    return this.#stream.pendingBytes;
  }

  /**
   * Sends a request and waits for the head of its answer. The body must be read or destroyed.
   * @param cancellation The connection is closed, and whoever waits gets the reason.
   * @throws {HttpFailure} {@link StaleConnection} where it was kept open and nothing came.
   */
  ask(request: RequestBytes, cancellation: Cancellation): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (cancellation.reason || this.#isOver) {
      this.destroy();
      reject(cancellation.reason ?? new StaleConnection("protocol", "the connection was closed"));
      return promise;
    }
    const onEnd = (reason: HttpFailure): void => {
      reject(reason);
      this.destroy();
    };
    cancellation.add(onEnd);
    this.#exchange = {
      parser: new ResponseParser(request.method, this),
      isLast: request.isLast,
      body: undefined,
      resolve,
      reject,
      release: () => cancellation.remove(onEnd),
    };
    this.#heard = false;
    if (this.#wasUsed) this.#stream.keepAwake(true);
    this.#send(request);
    return promise;
  }

  /** Ends the connection, in the middle of an answer too. */
  destroy(): void {
    this.#isOver = true;
    this.#stream.destroy();
  }

  #send({ head, body }: RequestBytes): void {
    if (body !== undefined && body.length <= JOIN_BYTES) {
      const bytes = Buffer.alloc(head.length + body.length);
      bytes.write(head, "latin1");
      bytes.set(body, head.length);
      this.#stream.write(bytes);
      return;
    }
    this.#stream.write(Buffer.from(head, "latin1"));
    if (body !== undefined) this.#stream.write(body);
  }

  // What the stream tells.

  data(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    if (!exchange) {
      // An answer that nobody has asked for would be taken for that of the next request.
      this.destroy();
      return;
    }
    this.#heard = true;
    try {
      exchange.parser.feed(bytes);
    } catch (error) {
      this.#fail(toFailure(error, "protocol"));
      this.destroy();
      return;
    }
    if (exchange.parser.isDone) this.#complete(exchange);
  }

  drain(): void {}

  close(error?: Error): void {
    this.#isOver = true;
    const exchange = this.#exchange;
    if (exchange && !error && exchange.parser.close()) this.#complete(exchange);
    else if (exchange) this.#fail(undefined, error);
    this.onOver?.();
  }

  // What the parser tells.

  head({ status, rawHeaders, location, contentLength }: ResponseHead): void {
    const exchange = this.#exchange!;
    exchange.release();
    exchange.body = new BodyReader(this.#source, contentLength);
    exchange.resolve({ status, rawHeaders, location, body: exchange.body });
  }

  body(bytes: Uint8Array): void {
    this.#exchange?.body?.push(bytes);
  }

  get #source(): { pause(): void; resume(): void; destroy(): void } {
    return {
      pause: () => this.#stream.pause(),
      resume: () => this.#stream.resume(),
      destroy: () => this.destroy(),
    };
  }

  #complete({ parser, body, isLast }: Exchange): void {
    this.#exchange = undefined;
    this.#wasUsed = true;
    body!.complete();
    if (this.#isOver) return;
    // A request that is still on its way out would run into the next one.
    if (parser.keepsConnection && !isLast && this.#stream.pendingBytes === 0 && this.onFree) {
      // Nobody should have to wait for the end of a connection that nobody uses.
      this.#stream.keepAwake(false);
      this.onFree();
    } else {
      this.#isOver = true;
      this.onEnding?.();
      this.#stream.end();
    }
  }

  #fail(failure: HttpFailure | undefined, cause?: Error): void {
    const exchange = this.#exchange!;
    this.#exchange = undefined;
    exchange.release();
    if (exchange.body) exchange.body.fail(failure);
    else exchange.reject(failure ?? this.#lost(cause));
  }

  #lost(cause: Error | undefined): HttpFailure {
    const when = this.#heard ? "the head of the answer was whole" : "an answer came";
    const why = cause && cause.message !== "" ? `: ${cause.message}` : "";
    const text = `the connection was closed before ${when}${why}`;
    const Failure = this.#wasUsed && !this.#heard ? StaleConnection : HttpFailure;
    return new Failure("protocol", text, { cause });
  }
}
