/**
 * TCP and TLS on Deno. One thing cannot be had: when a TLS handshake is given up, Deno keeps the socket in the
 * background until the other side answers or leaves.
 */

import { joined, takeBatch } from "./bytes.ts";
import type { ByteStream, ConnectOptions, ListenOptions, StreamHandlers, TcpListener } from "./runtime.ts";
import { turnOfOthers } from "./turn.ts";

/** A connection that sends much gets the larger buffer: most are quiet, and there may be thousands. */
const SMALL_READ_BYTES = 16 * 1024;
const LARGE_READ_BYTES = 256 * 1024;
const JOIN_BYTES = 256 * 1024;
/** How long the other side may take to see that we have ended before its last words are dropped. */
const LINGER_MS = 2000;
const ACCEPT_RETRY_MS = 50;

export async function listenOnDeno(
  options: ListenOptions,
  accept: (stream: ByteStream) => StreamHandlers,
): Promise<TcpListener> {
  const listener = Deno.listen({ hostname: options.hostname, port: options.port });
  let open = true;
  acceptAll(listener, accept, () => open);
  const { hostname, port } = listener.addr;
  return {
    hostname,
    port,
    close: () => {
      if (!open) return;
      open = false;
      listener.close();
    },
  };
}

async function acceptAll(
  listener: Deno.TcpListener,
  accept: (stream: ByteStream) => StreamHandlers,
  isOpen: () => boolean,
): Promise<void> {
  while (isOpen()) {
    let socket: Deno.TcpConn;
    try {
      socket = await listener.accept();
    } catch {
      // Out of descriptors, or a client that left again at once: neither is the end of the listener.
      if (isOpen()) await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      continue;
    }
    start(socket, socket, accept);
  }
}

export async function connectOnDeno(
  options: ConnectOptions,
  handlers: (stream: ByteStream) => StreamHandlers,
): Promise<ByteStream> {
  const { signal, hostname, port } = options;
  signal.throwIfAborted();
  // The signal itself would close the connection later on, too.
  const connecting = new AbortController();
  let socket: Deno.Conn | undefined;
  const onAbort = (): void => {
    connecting.abort();
    closeQuietly(socket);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const tcp = await Deno.connect({ hostname, port, signal: connecting.signal });
    socket = tcp;
    signal.throwIfAborted();
    // Before TLS, as only a TCP connection knows the option.
    tcp.setNoDelay(true);
    if (options.tls) {
      const secured = await Deno.startTls(tcp, { hostname });
      socket = secured;
      await secured.handshake();
      signal.throwIfAborted();
    }
    return start(socket, tcp, handlers);
  } catch (error) {
    closeQuietly(socket);
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function start(
  socket: Deno.Conn,
  tcp: Deno.TcpConn,
  handlers: (stream: ByteStream) => StreamHandlers,
): ByteStream {
  if (socket === tcp) tcp.setNoDelay(true);
  const stream = new DenoStream(socket);
  stream.start(handlers(stream));
  return stream;
}

class DenoStream implements ByteStream {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Deno.Conn;
  readonly #queue: { bytes: Uint8Array }[] = [];
  #handlers: StreamHandlers | undefined;
  #pending = 0;
  #writing = false;
  /** Set while paused; settles at the end of the pause. */
  #pause: PromiseWithResolvers<void> | undefined;
  #state: "open" | "ending" | "ended" | "over" = "open";
  #remoteEnded = false;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
    const local = socket.localAddr as Deno.NetAddr;
    const remote = socket.remoteAddr as Deno.NetAddr;
    this.localAddress = local.hostname;
    this.remoteAddress = remote.hostname;
    this.remotePort = remote.port;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    this.#readAll();
  }

  write(bytes: Uint8Array): void {
    if (this.#state !== "open" || bytes.length === 0) return;
    this.#queue.push({ bytes });
    this.#pending += bytes.length;
    if (!this.#writing) this.#writeAll();
  }

  writeBorrowed(bytes: Uint8Array): void {
    // Not `slice()`, which is a view where a `Buffer` was given.
    this.write(new Uint8Array(bytes));
  }

  pause(): void {
    if (this.#state === "open") this.#pause ??= Promise.withResolvers();
  }

  resume(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (!this.#writing) this.#sayGoodbye();
  }

  destroy(): void {
    this.#close();
  }

  keepAwake(awake: boolean): void {
    if (this.#state === "over" || !("ref" in this.#socket)) return;
    const socket = this.#socket as Deno.TcpConn;
    if (awake) socket.ref();
    else socket.unref();
  }

  async #readAll(): Promise<void> {
    let buffer = new Uint8Array(SMALL_READ_BYTES);
    for (;;) {
      let count: number | null;
      try {
        const turn = turnOfOthers();
        if (turn) await turn;
        if (this.#pause) await this.#pause.promise;
        count = await this.#socket.read(buffer);
      } catch (error) {
        return this.#close(error as Error);
      }
      // A pause that came in the meantime holds back what was read, and the end of it.
      while (this.#pause) await this.#pause.promise;
      if (this.#state === "over") return;
      if (count === null) return this.#otherSideEnded();
      // What comes after our own end is read so that the system does not answer it with a reset, which could
      // take our last bytes from the other side.
      if (this.#state !== "open") continue;
      this.#handlers?.data(buffer.slice(0, count));
      if (count === buffer.length && count < LARGE_READ_BYTES) buffer = new Uint8Array(LARGE_READ_BYTES);
    }
  }

  /** The other side will send no more; a protocol with its own farewell has nothing more to say either. */
  #otherSideEnded(): void {
    this.#remoteEnded = true;
    if (this.#state === "ended") this.#close();
    else this.end();
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    // What else is written in this turn goes along.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) {
        const bytes = joined(takeBatch(this.#queue, JOIN_BYTES));
        for (let at = 0; at < bytes.length; ) {
          const count = await this.#socket.write(bytes.subarray(at));
          this.#pending -= count;
          at += count;
        }
      }
    } catch (error) {
      return this.#close(error as Error);
    } finally {
      this.#writing = false;
    }
    if (this.#state === "over") return;
    if (this.#state === "ending") this.#sayGoodbye();
    else this.#handlers?.drain();
  }

  /** Everything has been sent: tells the other side, and waits for it to end as well. */
  async #sayGoodbye(): Promise<void> {
    this.#state = "ended";
    this.resume();
    if (this.#remoteEnded) return this.#close();
    this.#linger = setTimeout(() => this.#close(), LINGER_MS);
    try {
      await this.#socket.closeWrite();
    } catch {
      this.#close();
    }
  }

  #close(error?: Error): void {
    if (this.#state === "over") return;
    this.#state = "over";
    clearTimeout(this.#linger);
    this.#queue.length = 0;
    this.#pending = 0;
    this.resume();
    closeQuietly(this.#socket);
    this.#handlers?.close(error);
  }
}

function closeQuietly(socket: Deno.Conn | undefined): void {
  try {
    socket?.close();
  } catch {
    // Closed before, or handed over to TLS.
  }
}
