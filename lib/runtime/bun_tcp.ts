/** TCP and TLS on Bun. */

import type { Socket } from "bun";
import { giveBack, messageBytes } from "../jsonrpc/reusable_memory.ts";
import { bunSpawner, busyPoll } from "./bun_process.ts";
import type { BusyPoll, Polled } from "./busy_poll.ts";
import { type Libc, SO_RCVLOWAT, SOL_SOCKET } from "./libc.ts";
import type { ByteStream, ConnectOptions, ListenOptions, StreamHandlers, TcpListener } from "./runtime.ts";

/** How long the other side may take to see that we have ended before its last words are dropped. */
const LINGER_MS = 2000;

/**
 * While the rest of something long is awaited, the system tells of it when so much is there and not of every packet:
 * fewer turns, and a window for all of it. The end of the connection it tells of at once.
 */
const LOW_WATER_BYTES = 256 * 1024;
const LOW_WATER_FROM_BYTES = 32 * 1024;
const option = new Int32Array(1);
const optionBytes = new Uint8Array(option.buffer);

/** Of a short message past the event loop. */
const SHORT_READ_BYTES = 4096;
const shortBuffer = new Uint8Array(SHORT_READ_BYTES);
let shortBufferAt = 0;

interface Data {
  stream: BunStream;
}

export async function listenOnBun(
  options: ListenOptions,
  accept: (stream: ByteStream) => StreamHandlers,
): Promise<TcpListener> {
  const server = Bun.listen<Data>({
    hostname: options.hostname,
    port: options.port,
    allowHalfOpen: true,
    socket: {
      open: (socket) => {
        socket.setNoDelay(true);
        // Whoever dials has other things to do than to wait for one answer.
        const stream = new BunStream(socket, false, busyPoll);
        socket.data = { stream };
        stream.handlers = accept(stream);
      },
      ...events,
    },
  });
  return { hostname: server.hostname, port: server.port, close: () => server.stop(false) };
}

export async function connectOnBun(
  options: ConnectOptions,
  handlers: (stream: ByteStream) => StreamHandlers,
): Promise<ByteStream> {
  const { signal } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
  let opened: Socket<Data> | undefined;
  const onAbort = (): void => {
    reject(signal.reason);
    opened?.terminate();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  const ready = (socket: Socket<Data>): void => {
    const { stream } = socket.data;
    stream.handlers = handlers(stream);
    resolve(stream);
  };
  const connected = Bun.connect<Data>({
    hostname: options.hostname,
    port: options.port,
    allowHalfOpen: true,
    ...(options.tls ? { tls: { rejectUnauthorized: true, serverName: options.hostname } } : {}),
    socket: {
      ...events,
      open: (socket) => {
        socket.data = { stream: new BunStream(socket, options.tls) };
        // There is nothing to abort before this.
        if (signal.aborted) return void socket.terminate();
        opened = socket;
        socket.setNoDelay(true);
        if (!options.tls) ready(socket);
      },
      handshake: (socket, authorized, error) => {
        if (!options.tls) return;
        if (authorized) return ready(socket);
        reject(error ?? new Error("The TLS handshake failed"));
        socket.terminate();
      },
      connectError: (_socket, error) => reject(error),
      close: (socket, error) => {
        reject(error ?? new Error("The connection was closed"));
        events.close(socket, error);
      },
    },
  });
  connected.catch(reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const events = {
  data: (socket: Socket<Data>, bytes: Uint8Array): void => socket.data.stream.received(bytes),
  drain: (socket: Socket<Data>): void => socket.data.stream.flush(),
  // The other side will send no more; a protocol with its own farewell has nothing more to say either.
  end: (socket: Socket<Data>): void => socket.data.stream.otherSideEnded(),
  close: (socket: Socket<Data>, error?: Error): void => socket.data?.stream.closed(error),
  error: (socket: Socket<Data>, error: Error): void => socket.data?.stream.closed(error),
};

/** What the system has not taken yet. */
interface Queued {
  bytes: Uint8Array;
  /** Our own, in memory for messages. */
  readonly isCopy: boolean;
}

interface DirectSocket {
  readonly libc: Libc;
  readonly fd: number;
}

class BunStream implements ByteStream, Polled {
  readonly #socket: Socket<Data>;
  readonly #isTls: boolean;
  readonly #busyPoll: BusyPoll | undefined;
  handlers: StreamHandlers | undefined;
  #queue: Queued[] = [];
  #pending = 0;
  #state: "open" | "ending" | "ended" | "over" = "open";
  #remoteEnded = false;
  #paused = false;
  /** Whether the system tells of every byte that comes. */
  #isWaterLow = true;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket<Data>, isTls: boolean, busyPoll?: BusyPoll) {
    this.#socket = socket;
    this.#isTls = isTls;
    this.#busyPoll = busyPoll;
  }

  // Each is a call of the system.
  get localAddress(): string {
    return this.#socket.localAddress;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number {
    return this.#socket.remotePort;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  /** By the system's call on the socket, past Bun, which would copy what it reads. */
  readMore(memory: Uint8Array): number {
    const direct = this.#direct;
    if (!direct || this.#state !== "open" || this.#paused) return 0;
    const count = Math.max(
      0,
      direct.libc.read(direct.fd, Number(direct.libc.addressOf(memory)), memory.length),
    );
    if (count === 0 && memory.length >= LOW_WATER_FROM_BYTES) {
      this.#setLowWater(direct, Math.min(memory.length, LOW_WATER_BYTES));
    }
    return count;
  }

  tellOfAll(): void {
    const direct = this.#isWaterLow ? undefined : this.#direct;
    if (direct && this.#state === "open") this.#setLowWater(direct, 1);
  }

  /** The socket for the system's calls; undefined where there are none, and under TLS, as its bytes are not ours. */
  get #direct(): DirectSocket | undefined {
    const spawner = bunSpawner();
    // Missing in Bun's types.
    const { fd } = this.#socket as { fd?: number };
    return this.#isTls || spawner === "fallback" || fd === undefined ? undefined : { libc: spawner.libc, fd };
  }

  #setLowWater({ libc, fd }: DirectSocket, bytes: number): void {
    option[0] = bytes;
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, optionBytes, optionBytes.length);
    this.#isWaterLow = bytes === 1;
  }

  /** What comes after our own end is read, but for nobody: unread, the system would answer it with a reset. */
  received(bytes: Uint8Array): void {
    if (!this.#isWaterLow) this.#setLowWater(this.#direct!, 1);
    if (this.#state === "open") this.handlers?.data(bytes);
    // Who has not taken an answer yet asks nothing.
    if (this.#pending === 0) this.#busyPoll?.came(bytes.length, this);
  }

  poll(): boolean {
    const direct = this.#direct;
    if (!direct || this.#state !== "open" || this.#paused) return false;
    shortBufferAt ||= Number(direct.libc.addressOf(shortBuffer));
    const count = direct.libc.read(direct.fd, shortBufferAt, SHORT_READ_BYTES);
    if (count > 0) this.received(shortBuffer.slice(0, count));
    return count > 0;
  }

  write(bytes: Uint8Array): void {
    const rest = this.#take(bytes);
    if (rest) this.#keep({ bytes: rest, isCopy: false });
  }

  writeBorrowed(bytes: Uint8Array): void {
    const rest = this.#take(bytes);
    this.#busyPoll?.sent(bytes.length, this);
    if (!rest) return;
    const copy = messageBytes(rest.length);
    copy.set(rest);
    this.#keep({ bytes: copy, isCopy: true });
  }

  /** Gives the system what it takes at once; answers the rest. */
  #take(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "open" || bytes.length === 0) return undefined;
    if (this.#pending > 0) return bytes;
    const written = Math.max(0, this.#socket.write(bytes));
    return written === bytes.length ? undefined : bytes.subarray(written);
  }

  #keep(queued: Queued): void {
    this.#queue.push(queued);
    this.#pending += queued.bytes.length;
  }

  /** The socket takes bytes again. */
  flush(): void {
    if (this.#state === "over" || this.#pending === 0) return;
    let first = 0;
    for (; first < this.#queue.length; first++) {
      const queued = this.#queue[first]!;
      const written = Math.max(0, this.#socket.write(queued.bytes));
      this.#pending -= written;
      if (written < queued.bytes.length) {
        queued.bytes = queued.bytes.subarray(written);
        break;
      }
      if (queued.isCopy) giveBack(queued.bytes);
    }
    this.#queue.splice(0, first);
    if (this.#pending > 0) return;
    if (this.#state === "ending") this.#sayGoodbye();
    else this.handlers?.drain();
  }

  pause(): void {
    this.#paused = true;
    if (this.#state === "open") this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#state === "open") this.#socket.resume();
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#socket.resume();
    this.#state = "ending";
    if (this.#pending === 0) this.#sayGoodbye();
  }

  destroy(): void {
    if (this.#state !== "over") this.#socket.terminate();
  }

  keepAwake(awake: boolean): void {
    if (this.#state === "over") return;
    if (awake) this.#socket.ref();
    else this.#socket.unref();
  }

  otherSideEnded(): void {
    this.#remoteEnded = true;
    if (this.#state === "ended") this.#socket.terminate();
    else this.end();
  }

  closed(error?: Error): void {
    if (this.#state === "over") return;
    this.#state = "over";
    clearTimeout(this.#linger);
    this.#queue = [];
    this.#pending = 0;
    this.handlers?.close(error);
  }

  /** Everything has been sent: tells the other side, and waits for it to end as well. */
  #sayGoodbye(): void {
    this.#state = "ended";
    if (this.#remoteEnded) return void this.#socket.end();
    this.#socket.shutdown();
    this.#linger = setTimeout(() => this.#socket.terminate(), LINGER_MS);
  }
}
