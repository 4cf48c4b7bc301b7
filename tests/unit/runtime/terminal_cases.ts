/** A child's terminal: it controls the child, has a size, and tells when that changes. */

import { deepStrictEqual, strictEqual } from "node:assert";
import { type Case, dispose, encode, output, readUntil, shell, terminal, within } from "./support.ts";

export const terminalCases: Case[] = [
  {
    name: "the terminal is stdin, stdout, stderr and /dev/tty",
    run: async (runtime) => {
      const script = "for fd in 0 1 2; do [ -t $fd ] && echo tty $fd; done; echo hello > /dev/tty; tty >&2";
      const { text, code } = await output(shell(runtime, script, { terminal }));
      strictEqual(code, 0);
      strictEqual(text.replace(/\/dev\/pts\/\d+/, "NAME"), "tty 0\r\ntty 1\r\ntty 2\r\nhello\r\nNAME\r\n");
    },
  },
  {
    name: "the terminal echoes, and \\x04 is the end of input",
    run: async (runtime) => {
      const child = shell(runtime, "cat; echo end", { terminal });
      await child.stdin!.write(encode("hello\n"));
      await readUntil(child.stdout, "hello\r\nhello\r\n");
      await child.stdin!.write(encode("\x04"));
      await readUntil(child.stdout, "end");
      strictEqual((await output(child)).code, 0);
    },
  },
  {
    name: "\\x03 interrupts what runs in the foreground",
    run: async (runtime) => {
      const child = shell(runtime, "trap 'echo shell lives' INT; echo ready; sleep 1000; echo $?", {
        terminal,
      });
      await readUntil(child.stdout, "ready");
      // The shell starts `sleep` after the word; until then the interrupt only reaches the shell.
      const more = readUntil(child.stdout, "130");
      const timer = setInterval(() => void child.stdin!.write(encode("\x03")).catch(() => {}), 20);
      await within(more, "the interrupt").finally(() => clearInterval(timer));
      await dispose(child);
    },
  },
  {
    name: "the terminal has the size given, and a new one is told by SIGWINCH",
    run: async (runtime) => {
      const script = "trap 'stty size; exit 0' WINCH; stty size; while :; do sleep 0.02; done";
      const child = shell(runtime, script, { terminal: { columns: 123, rows: 45 } });
      await readUntil(child.stdout, "45 123");
      child.resize({ columns: 300, rows: 7 });
      await readUntil(child.stdout, "7 300");
      deepStrictEqual(await within(child.exited, "the exit"), { code: 0, signal: null });
      child.stdout.cancel();
      child.stdin!.destroy();
      // Harmless when the terminal is closed, or there is none.
      child.resize({ columns: 1, rows: 1 });
      const plain = shell(runtime, "exit 0");
      plain.resize({ columns: 1, rows: 1 });
      await output(plain);
    },
  },
  {
    name: "cancel() ends a pending read of the terminal while its input lives on",
    run: async (runtime) => {
      const child = shell(runtime, "stty -echo; echo ready; read x; exit 6", { terminal });
      await readUntil(child.stdout, "ready");
      const pending = child.stdout.read();
      child.stdout.cancel();
      strictEqual(await within(pending, "the pending read"), null);
      await child.stdin!.write(encode("word\n"));
      deepStrictEqual(await within(child.exited, "the exit"), { code: 6, signal: null });
      child.stdin!.destroy();
    },
  },
  {
    name: "the output of the terminal lives on when its input is destroyed, and the other way round",
    run: async (runtime) => {
      const child = shell(runtime, "stty -echo; echo ready; read x; echo got $x; exec sleep 1000", {
        terminal,
      });
      await readUntil(child.stdout, "ready");
      await child.stdin!.write(encode("word\n"));
      child.stdin!.destroy();
      await readUntil(child.stdout, "got word");
      child.stdout.cancel();
      // The last user has gone: the terminal hangs up, and with it the child.
      deepStrictEqual(await within(child.exited, "the exit"), { code: null, signal: 1 });
    },
  },
];
