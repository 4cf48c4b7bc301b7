/** A program that cases start on their own runtime: `program.ts <what>`. It talks about itself on stderr. */

import { readdirSync } from "node:fs";
import process from "node:process";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const runtime = await currentRuntime();
const say = (text: string): void => console.error(text);

const whats: Record<string, () => Promise<void>> = {
  /** Copies stdin to stdout, and ends with it. */
  async cat() {
    const stdin = runtime.stdin();
    const stdout = runtime.stdout();
    for (let bytes = await stdin.read(); bytes; bytes = await stdin.read()) await stdout.write(bytes);
    strictExit(0);
  },

  /** Writes 32 MiB, and says while it does that timers go on and how much is not taken. */
  async "write-all"() {
    const stdout = runtime.stdout();
    const timer = setInterval(() => say(`tick ${stdout.pendingBytes}`), 10);
    const part = new Uint8Array(64 * 1024).fill(120);
    for (let i = 0; i < 512; i++) await stdout.write(part);
    clearInterval(timer);
    say(`done ${stdout.pendingBytes}`);
    strictExit(0);
  },

  /** Many writes that are not awaited one by one. */
  async "write-many"() {
    const stdout = runtime.stdout();
    const encoder = new TextEncoder();
    await Promise.all(Array.from({ length: 20_000 }, (_, i) => stdout.write(encoder.encode(`line ${i}\n`))));
    strictExit(0);
  },

  /** Goes on writing until that fails. */
  async "write-forever"() {
    const stdout = runtime.stdout();
    try {
      for (;;) await stdout.write(new Uint8Array(1024));
    } catch {
      say("rejected");
    }
  },

  /** Gives stdin up while a read is pending, and then has nothing more to do. */
  async "cancel-stdin"() {
    const stdin = runtime.stdin();
    const pending = stdin.read();
    say("reading");
    setTimeout(() => stdin.cancel(), 20);
    say(`read ${await pending}`);
    say(`read ${await stdin.read()}`);
  },

  /** A child that is over, with a grandchild that is given up: nothing is left to wait for. */
  async "run-child"() {
    const child = runtime.spawn({
      file: "/bin/sh",
      argv: ["sh", "-c", "sleep 1000 & echo hello; exit 7"],
      env: {},
      cwd: "/",
      stdin: "pipe",
    });
    const bytes = await child.stdout.read();
    say(new TextDecoder().decode(bytes!).trim());
    say(`exit ${(await child.exited).code}`);
    const pending = child.stdout.read();
    setTimeout(() => {
      child.stdin!.close();
      child.stdout.cancel();
      child.stderr!.cancel();
      process.on("exit", () => child.signalGroup(9));
    }, 20);
    say(`read ${await pending}`);
  },

  async "child-fds"() {
    const child = runtime.spawn({
      file: "/bin/sleep",
      argv: ["sleep", "1000"],
      env: {},
      cwd: "/",
      stdin: "null",
    });
    const fds = (): string => readdirSync(`/proc/${child.pid}/fd`).sort().join(" ");
    // At first it has its libraries open.
    let found = fds();
    for (let i = 0; i < 100 && found !== "0 1 2"; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      found = fds();
    }
    console.log(found);
    child.signalGroup(9);
    await child.exited;
    child.stdout.cancel();
    child.stderr!.cancel();
  },

  async "self-command"() {
    console.log(JSON.stringify(runtime.selfCommand()));
  },

  /** Says a line over TLS and repeats the answer. */
  async tls() {
    const [hostname, port] = process.argv.slice(3);
    const options = {
      hostname: hostname!,
      port: Number(port),
      tls: true,
      signal: AbortSignal.timeout(10_000),
    };
    try {
      const stream = await runtime.connect(options, (connected) => ({
        data: (bytes) => {
          say(`answer ${new TextDecoder().decode(bytes).trim()}`);
          connected.end();
        },
        drain: () => {},
        close: () => say("closed"),
      }));
      stream.write(new TextEncoder().encode("hello\n"));
    } catch (error) {
      say(`failed ${error}`);
    }
  },

  /** Asks twice over a connection that it waits for while there is an answer to come, and then has nothing to do. */
  async "keep-awake"() {
    const options = { hostname: "127.0.0.1", port: Number(process.argv[3]), tls: false };
    let answers = 0;
    const stream = await runtime.connect(
      { ...options, signal: AbortSignal.timeout(10_000) },
      (connected) => ({
        data: (bytes) => {
          say(`answer ${new TextDecoder().decode(bytes)}`);
          connected.keepAwake(false);
          if (++answers === 2) return;
          connected.keepAwake(true);
          connected.write(new TextEncoder().encode("two"));
        },
        drain: () => {},
        close: () => say("closed"),
      }),
    );
    stream.write(new TextEncoder().encode("one"));
  },
};

/** At once, as a server does that was told to stop: what was awaited must have been written. */
function strictExit(code: number): void {
  process.exit(code);
}

await whats[process.argv[2] ?? ""]!();
