/** The table of `:commands`. */

import { describe, expect, test } from "bun:test";
import { commands, findCommand, helpTopics, unknownCommand } from "../../../lib/repl/commands.ts";
import { describeStatus, parseSignal, shellSignal, signalNames } from "../../../lib/repl/exit_status.ts";

describe("the commands", () => {
  test("are these", () => {
    expect(commands.map(({ name }) => name)).toEqual([
      "use",
      "env",
      "info",
      "cd",
      "cp",
      "ls",
      "cat",
      "rm",
      "mkdir",
      "stat",
      "search",
      "watch",
      "put",
      "get",
      "reset",
      "tty",
      "pipe",
      "jobs",
      "ps",
      "attach",
      "kill",
      "end",
      "bg",
      "set",
      "history",
      "help",
      "quit",
    ]);
  });

  test("each have a usage that begins with their name, and help", () => {
    for (const { name, usage, summary } of commands) {
      expect(usage).toMatch(new RegExp(`^:${name}\\b`));
      expect(summary.length).toBeGreaterThan(10);
      expect(helpTopics).toContain(name);
    }
  });

  test("may be shortened as far as they are clear", () => {
    expect(findCommand("j")?.name).toBe("jobs");
    expect(findCommand("att")?.name).toBe("attach");
    expect(findCommand("e")).toBeUndefined();
    expect(findCommand("jobz")).toBeUndefined();
  });

  test("that do not exist get a suggestion when one is near", () => {
    expect(unknownCommand("jbos")).toBe('There is no command ":jbos": did you mean ":jobs"?');
    expect(unknownCommand("attahc")).toContain('":attach"');
    expect(unknownCommand("xyzzyxyzzy")).toBe('There is no command ":xyzzyxyzzy": see :help');
  });
});

describe("signals", () => {
  test.each([
    ["INT", "interrupt"],
    ["SIGINT", "interrupt"],
    ["sigterm", "terminate"],
    ["-9", "kill"],
    ["9", "kill"],
    ["usr1", "user1"],
    ["STOP", "stop"],
    ["cont", "continue"],
  ] as const)("%p is %p", (text, signal) => expect(parseSignal(text)).toBe(signal));
  test("that do not exist are none", () => expect(parseSignal("constructor")).toBeUndefined());
  test("all have a name for the shell", () => {
    for (const name of signalNames) expect(shellSignal(parseSignal(name)!)).toBe(name);
  });
  test("are named behind a status", () => {
    expect([1, 127, 128, 130, 137, 143, 255].map(describeStatus)).toEqual([
      "exit 1",
      "exit 127",
      "exit 128",
      "exit 130 (SIGINT)",
      "exit 137 (SIGKILL)",
      "exit 143 (SIGTERM)",
      "exit 255",
    ]);
  });
});
