/** From nothing to a first answer and a first process, and what the server then has used. */

import { type Case, type Family, figure } from "../figure.ts";
import { median } from "../statistics.ts";
import { runTrue } from "./processes.ts";

const STARTS = 9;

const overWebsocket: Case = {
  figures: [
    figure("start.listen_ms", "start to listening", "ms", "lower"),
    figure("start.init_ms", "start to the first answer", "ms", "lower"),
    figure("start.process_ms", "start to the end of a first /bin/true", "ms", "lower"),
    figure("start.cpu_ms", "CPU of the server until then", "ms", "lower"),
    figure("start.rss_MB", "memory when idle", "MB", "lower"),
    figure("start.anon_MB", "memory when idle, without pages of files", "MB", "lower"),
  ],
  control: true,
  run: async ({ launch, size }) => {
    const found: number[][] = [[], [], [], [], [], []];
    for (let i = 0; i < size(STARTS); i++) {
      const server = launch("websocket");
      await server.url();
      found[0]!.push(performance.now() - server.startedAt);
      const link = await server.connect();
      found[1]!.push(performance.now() - server.startedAt);
      // What a handshake does not need is loaded then.
      await runTrue({ link });
      found[2]!.push(performance.now() - server.startedAt);
      found[3]!.push(server.cpuSeconds() * 1000);
      found[4]!.push(server.residentMegabytes());
      found[5]!.push(server.anonymousMegabytes());
      await link.close();
      await server.stop();
    }
    return found.map(median);
  },
};

const overStdio: Case = {
  control: true,
  figures: [
    figure("start.stdio_ms", "over stdio: start to the first answer", "ms", "lower"),
    figure("start.stdio_process_ms", "over stdio: start to the end of a first /bin/true", "ms", "lower"),
  ],
  run: async ({ launch, size }) => {
    const found: number[][] = [[], []];
    for (let i = 0; i < size(STARTS); i++) {
      const server = launch("stdio");
      const link = await server.connect();
      found[0]!.push(performance.now() - server.startedAt);
      await runTrue({ link });
      found[1]!.push(performance.now() - server.startedAt);
      await server.stop();
    }
    return found.map(median);
  },
};

export const startup: Family = {
  name: "startup",
  title: "Start",
  transport: "websocket",
  ownServers: true,
  cases: [overWebsocket, overStdio],
};
