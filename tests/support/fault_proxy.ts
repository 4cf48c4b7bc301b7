/** A TCP proxy that treats its connections badly, at random from a seed: cuts, stalls, delays, halves and reorders. */

import { randomFrom } from "./random.ts";
import { Reorderer } from "./reorderer.ts";

export interface FaultOptions {
  seed: number;
  /** Each connection is cut after so many bytes to the client, drawn between the two. Not cut when absent. */
  cutAfterBytes?: [number, number];
  /** The same for bytes to the server. */
  cutAfterBytesUp?: [number, number];
  /** After so many cuts nothing is cut any more. */
  maxCuts?: number;
  /** Pieces that are cut in two and sent apart, of 1. @default {0.2} */
  halved?: number;
  /** Pieces after which nothing moves for up to `maxStallMs`, of 1. @default {0.02} */
  stalled?: number;
  /** @default {20} */
  maxStallMs?: number;
  /** Pieces that go out a turn of up to 3 ms later, of 1. @default {0} */
  delayed?: number;
  /** Notifications of processes that are overtaken by up to 8 messages, of 1. @default {0} */
  reordered?: number;
}

export interface FaultProxy {
  readonly url: string;
  /** Connections cut so far. */
  readonly cuts: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Messages whose order was changed. */
  readonly reordered: number;
  /** Bytes that were handed on to the clients, and to the server. */
  readonly bytes: { readonly down: number; readonly up: number };
  /** Cuts what is open now. */
  cut(): void;
  /** Nothing passes, and nobody is told. */
  freeze(): void;
  /** Nothing comes back from the server any more, while what the client sends arrives. */
  muffle(): void;
  /** What is sent from now on passes again. */
  thaw(): void;
  /** New connections are refused until `accept`. */
  refuse(): void;
  accept(): void;
  /** Later connections go to another server. */
  aim(targetUrl: string): void;
  close(): void;
}

type Socket = Bun.Socket<Link>;

/** One way of a connection: what waits, in order. */
interface Way {
  to: Socket | undefined;
  queue: Uint8Array[];
  busy: boolean;
  /** Until the connection is cut. */
  bytesLeft: number;
}

interface Link {
  link: {
    down: Way;
    up: Way;
    client: Socket;
    server?: Socket;
    reorderer: Reorderer | undefined;
    over: boolean;
  };
}

const MAX_DELAY_MS = 3;

export function startFaultProxy(targetUrl: string, options: FaultOptions): FaultProxy {
  const random = randomFrom(options.seed);
  const { halved = 0.2, stalled = 0.02, maxStallMs = 20, delayed = 0, reordered = 0 } = options;
  const { maxCuts = Number.POSITIVE_INFINITY } = options;
  let target = new URL(targetUrl);
  const links = new Set<Link["link"]>();
  let cuts = 0;
  let connections = 0;
  let moved = 0;
  let frozen = false;
  let muffled = false;
  let refusing = false;

  const bytes = { down: 0, up: 0 };
  const budget = (range: [number, number] | undefined): number => {
    if (!range || cuts >= maxCuts) return Number.POSITIVE_INFINITY;
    const [low, high] = range;
    return low + Math.floor(random() * (high - low));
  };
  const end = (link: Link["link"]): void => {
    if (link.over) return;
    link.over = true;
    links.delete(link);
    moved += link.reorderer?.count ?? 0;
    link.reorderer?.close();
    link.client.terminate();
    link.server?.terminate();
  };
  /** Behind a frozen proxy nobody hears of the end of the other side either. */
  const onClose = (link: Link["link"]): void => {
    if (!frozen) end(link);
  };
  const cutLink = (link: Link["link"]): void => {
    if (link.over) return;
    cuts++;
    end(link);
  };
  const push = (link: Link["link"], way: Way, bytes: Uint8Array): void => {
    if (frozen || (muffled && way === link.down)) return;
    if (bytes.length > 1 && random() < halved) {
      const middle = 1 + Math.floor(random() * (bytes.length - 1));
      way.queue.push(bytes.slice(0, middle), bytes.slice(middle));
    } else {
      way.queue.push(bytes.slice());
    }
    if (delayed > 0 && !way.busy && random() < delayed) hold(link, way, MAX_DELAY_MS);
    else move(link, way);
  };
  const hold = (link: Link["link"], way: Way, maxMs: number): void => {
    way.busy = true;
    setTimeout(() => {
      way.busy = false;
      move(link, way);
    }, random() * maxMs);
  };
  const move = (link: Link["link"], way: Way): void => {
    while (!way.busy && !link.over && !frozen && way.to && way.queue.length > 0) {
      const piece = way.queue[0]!;
      const written = Math.max(0, way.to.write(piece));
      if (written < piece.length) way.queue[0] = piece.subarray(written);
      else way.queue.shift();
      bytes[way === link.down ? "down" : "up"] += written;
      way.bytesLeft -= written;
      if (way.bytesLeft <= 0) {
        cutLink(link);
        return;
      }
      // Its drain goes on; the sender is held back by what waits here, which a test bounds.
      if (written < piece.length) return;
      if (random() < stalled) hold(link, way, maxStallMs);
    }
    // A sender that is ahead waits, so that this proxy does not hold all the output.
    const sender = way === link.down ? link.server : link.client;
    if (way.queue.length > 64) sender?.pause();
    else sender?.resume();
  };

  const listener = Bun.listen<Link>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (client) => {
        if (refusing) return void client.terminate();
        connections++;
        const link: Link["link"] = {
          down: { to: client, queue: [], busy: false, bytesLeft: budget(options.cutAfterBytes) },
          up: { to: undefined, queue: [], busy: false, bytesLeft: budget(options.cutAfterBytesUp) },
          client,
          reorderer: undefined,
          over: false,
        };
        if (reordered > 0) {
          const emit = (bytes: Uint8Array): void => push(link, link.down, bytes);
          link.reorderer = new Reorderer({ random, share: reordered, emit });
        }
        links.add(link);
        client.data = { link };
        Bun.connect<Link>({
          hostname: target.hostname,
          port: Number(target.port),
          socket: {
            open: (server) => {
              server.data = { link };
              if (link.over) return void server.terminate();
              link.server = server;
              link.up.to = server;
              move(link, link.up);
            },
            data: (_server, bytes) => {
              if (link.reorderer) link.reorderer.feed(bytes);
              else push(link, link.down, bytes);
            },
            drain: () => move(link, link.up),
            close: () => onClose(link),
            error: () => onClose(link),
          },
        }).catch(() => end(link));
      },
      data: (client, bytes) => push(client.data.link, client.data.link.up, bytes),
      drain: (client) => move(client.data.link, client.data.link.down),
      close: (client) => {
        if (client.data) onClose(client.data.link);
      },
    },
  });

  return {
    url: `ws://127.0.0.1:${listener.port}`,
    bytes,
    get cuts() {
      return cuts;
    },
    get connections() {
      return connections;
    },
    get reordered() {
      return [...links].reduce((sum, { reorderer }) => sum + (reorderer?.count ?? 0), moved);
    },
    cut: () => {
      for (const link of [...links]) cutLink(link);
    },
    freeze: () => {
      frozen = true;
    },
    muffle: () => {
      muffled = true;
    },
    thaw: () => {
      frozen = false;
      muffled = false;
    },
    refuse: () => {
      refusing = true;
    },
    accept: () => {
      refusing = false;
    },
    aim: (targetUrl) => {
      target = new URL(targetUrl);
    },
    close: () => {
      for (const link of [...links]) end(link);
      listener.stop(true);
    },
  };
}
