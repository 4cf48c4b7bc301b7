/** Terminals: a key and its echo, and a flood of output. */

import { Buffer } from "node:buffer";
import { type Case, type Family, figure } from "../figure.ts";
import { quantile, samples, speed, warmUp } from "../statistics.ts";

const OUTPUT = 64_000_000;
const key = Buffer.from("eA==");

function cases(prefix: string): Case[] {
  return [
    {
      figures: [
        figure(`${prefix}pty.echo_p50_us`, `terminal echo, p50`, "us", "lower"),
        figure(`${prefix}pty.echo_p99_us`, `terminal echo, p99`, "us", "lower"),
        figure(`${prefix}pty.first_p99_us`, `terminal echo, the first 2,000 keys, p99`, "us", "lower"),
        figure(`${prefix}pty.echo_cpu_us`, `terminal echo, CPU of the server for each key`, "us", "lower"),
      ],
      control: true,
      run: async ({ link, server, size }) => {
        const argv = ["/bin/sh", "-c", "stty raw -echo; printf x; exec cat"];
        const cat = await link.start(argv, { terminal: true, env: { BYTES: "1" } });
        await cat.until(1);
        const echo = async (): Promise<void> => {
          const written = cat.write(key);
          await cat.until(cat.bytes + 1);
          await written;
        };
        const first = (await warmUp(size, echo)).slice(0, 2000);
        const before = server.cpuSeconds();
        const found = await samples({ most: size(2000), least: size(60), maxMs: 2000 }, echo);
        const each = (server.cpuSeconds() - before) / found.length;
        await cat.terminate();
        await cat.closed();
        return [quantile(found, 0.5), quantile(found, 0.99), quantile(first, 0.99), each * 1e6];
      },
    },
    {
      figures: [
        figure(`${prefix}pty.out_MBps`, `terminal output`, "MB/s", "higher"),
        figure(`${prefix}pty.out_cpu_s_per_GB`, `terminal output, CPU of the server`, "s/GB", "lower"),
      ],
      control: true,
      run: async ({ link, server, size }) => {
        const argv = ["/bin/sh", "-c", "stty raw -echo; exec head -c $BYTES /dev/zero"];
        const drain = async (bytes: number): Promise<void> => {
          const process = await link.start(argv, { terminal: true, env: { BYTES: `${bytes}` } });
          await process.closed(bytes);
        };
        const bytes = size(OUTPUT);
        await drain(Math.ceil(bytes / 8));
        const before = server.cpuSeconds();
        const perSecond = await speed(bytes, () => drain(bytes));
        return [perSecond, ((server.cpuSeconds() - before) / bytes) * 1e9];
      },
    },
  ];
}

export const terminals: Family = {
  name: "terminals",
  title: "Terminals",
  transport: "websocket",
  byTime: true,
  cases: cases(""),
};

export const stdioTerminals: Family = {
  name: "stdio-terminals",
  title: "Terminals over stdio",
  transport: "stdio",
  byTime: true,
  cases: cases("stdio."),
};
