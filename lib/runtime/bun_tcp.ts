/** TCP and TLS on Bun. */

import type { Socket } from "bun";
import type { ByteStream, ConnectOptions, ListenOptions, StreamHandlers, TcpListener } from "./runtime.ts";

interface Data {
  stream: BunStream;
}

export function listenOnBun(
  options: ListenOptions,
  accept: (stream: ByteStream) => StreamHandlers,
): Promise<TcpListener> {
  const server = Bun.listen<Data>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open: (socket) => {
        socket.setNoDelay(true);
        const stream = new BunStream(socket);
        socket.data = { stream };
        stream.handlers = accept(stream);
      },
      ...events,
    },
  });
  return Promise.resolve({ hostname: server.hostname, port: server.port, close: () => server.stop(false) });
}

export async function connectOnBun(
  options: ConnectOptions,
  handlers: (stream: ByteStream) => StreamHandlers,
): Promise<ByteStream> {
  const { signal } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const ready = (socket: Socket<Data>): void => {
    if (signal.aborted) return void socket.terminate();
    socket.setNoDelay(true);
    const { stream } = socket.data;
    stream.handlers = handlers(stream);
    resolve(stream);
  };
  const connected = Bun.connect<Data>({
    hostname: options.hostname,
    port: options.port,
    ...(options.tls ? { tls: { rejectUnauthorized: true, serverName: options.hostname } } : {}),
    socket: {
      ...events,
      open: (socket) => {
        socket.data = { stream: new BunStream(socket) };
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
  data: (socket: Socket<Data>, bytes: Uint8Array): void => socket.data.stream.handlers?.data(bytes),
  drain: (socket: Socket<Data>): void => socket.data.stream.flush(),
  // The other side will send no more; a protocol with its own farewell has nothing more to say either.
  end: (socket: Socket<Data>): void => void socket.end(),
  close: (socket: Socket<Data>, error?: Error): void => socket.data?.stream.closed(error),
  error: (socket: Socket<Data>, error: Error): void => socket.data?.stream.closed(error),
};

class BunStream implements ByteStream {
  readonly #socket: Socket<Data>;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  handlers: StreamHandlers | undefined;
  #queue: Uint8Array[] = [];
  #pending = 0;
  #ending = false;
  #over = false;

  constructor(socket: Socket<Data>) {
    this.#socket = socket;
    this.localAddress = socket.localAddress;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): void {
    if (this.#over || this.#ending) return;
    if (this.#pending === 0) {
      const written = Math.max(0, this.#socket.write(bytes));
      if (written === bytes.length) return;
      bytes = bytes.subarray(written);
    }
    this.#queue.push(bytes);
    this.#pending += bytes.length;
  }

  /** The socket takes bytes again. */
  flush(): void {
    if (this.#over || this.#pending === 0) return;
    let first = 0;
    for (; first < this.#queue.length; first++) {
      const bytes = this.#queue[first]!;
      const written = Math.max(0, this.#socket.write(bytes));
      this.#pending -= written;
      if (written === bytes.length) continue;
      this.#queue[first] = bytes.subarray(written);
      break;
    }
    this.#queue.splice(0, first);
    if (this.#pending > 0) return;
    if (this.#ending) this.#socket.end();
    else this.handlers?.drain();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    if (this.#pending === 0) this.#socket.end();
  }

  destroy(): void {
    if (!this.#over) this.#socket.terminate();
  }

  closed(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    this.#pending = 0;
    this.handlers?.close(error);
  }
}
