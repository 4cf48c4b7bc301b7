/** The `:commands` about files: those of the command line, from where the prompt stands. */

import process from "node:process";
import { FsError } from "../client/fs/error.ts";
import { bytesOfText } from "../client/fs/path.ts";
import { type Environment, localEnvironment } from "../environments/environment.ts";
import type { FileContext, Output } from "../files/command.ts";
import { fileStatus, problemText } from "../files/command.ts";
import { define, type FileCommand, fileCommands } from "../files/commands.ts";
import { copyCommand, copyFlags } from "../files/copy_command.ts";
import { Places } from "../files/places.ts";
import { herePlace, locate, type Place } from "../files/target.ts";
import { flagLines, HelpRequested } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { currentRuntime } from "../runtime/runtime.ts";
import type { ArgumentKind, Command } from "./commands.ts";
import type { ReplContext } from "./context.ts";
import { UsageError } from "./usage_error.ts";
import { splitWords } from "./words.ts";

/** Which words are paths of this machine. */
type Here = "none" | "sources" | "destination";

const copies: Readonly<Record<"put" | "get", FileCommand>> = {
  put: define("put", {
    usage: "[-rpL] [--resume] HERE… [THERE]",
    summary: "copy files of this machine there",
    flags: copyFlags,
    details: "Without THERE they go into the folder of the prompt.",
    example: ":put -r site /srv",
    action: (context, flags, words) => copyCommand(context, flags, withDefault(words)),
  }),
  get: define("get", {
    usage: "[-rpL] [--resume] THERE… [HERE]",
    summary: "copy files from there to this machine",
    flags: copyFlags,
    details: "Without HERE they go into the folder that the prompt was opened in.",
    example: ":get -r /srv/logs",
    action: (context, flags, words) => copyCommand(context, flags, withDefault(words)),
  }),
};

function withDefault(words: readonly string[]): readonly string[] {
  return words.length === 1 ? [...words, "."] : words;
}

export const fileCommandTable: readonly Command[] = [
  ...Object.entries(fileCommands).map(([name, command]) => entry(name, command, "none", ["file"])),
  entry("put", copies.put, "sources", ["here"]),
  entry("get", copies.get, "destination", ["file"]),
];

function entry(name: string, command: FileCommand, here: Here, kinds: readonly ArgumentKind[]): Command {
  return {
    name,
    usage: `:${name} ${command.usage}`,
    summary: command.summary,
    details: [
      ...(here === "none"
        ? ["A path is where the prompt is; ENV:path is elsewhere, local:path on this machine."]
        : []),
      ...(command.details === "" ? [] : [command.details]),
      flagLines(command.flags),
    ].join("\n"),
    arguments: kinds,
    run: (repl, argument) => run(repl, command, here, argument),
  };
}

async function run(repl: ReplContext, command: FileCommand, here: Here, argument: string): Promise<number> {
  const args = splitWords(argument);
  const { manager, screen } = repl;
  const known = manager.all.find(({ isRemote }) => !isRemote);
  let own: Environment | undefined;
  const runtime = await currentRuntime();
  const herePlaceOnce = (): Place =>
    herePlace((known ?? (own ??= localEnvironment(runtime))).fs, process.cwd());
  let thisMachine: Place | undefined;
  const places: Places = new Places({
    environment: (id) => manager.get(id ?? repl.shell?.id),
    plain: (): Place => places.of(manager.get(repl.shell?.id)),
    folder: (id) => repl.shellOf(id)?.state.cwd,
  });
  const isHere = (role: string | undefined): boolean =>
    (here === "sources" && role === "source") || (here === "destination" && role === "destination");
  try {
    return await repl.interruptible(async (signal) => {
      const context: FileContext = {
        locate: async (text, environment, role) =>
          isHere(role)
            ? await locate((thisMachine ??= herePlaceOnce()), text)
            : await places.locate(text, environment),
        output: outputOf(repl),
        signal,
      };
      return await command.run(context, args).catch((error) => {
        if (signal.aborted) return fileStatus.interrupted;
        throw error;
      });
    });
  } catch (error) {
    if (error instanceof HelpRequested)
      throw new UsageError(`Usage: ${command.usage}\n${flagLines(command.flags)}`);
    if (error instanceof ExecServerError && error.code === "ERR_USAGE") throw new UsageError(error.message);
    if (!(error instanceof FsError)) throw error;
    screen.say(screen.style.red(problemText(error)));
    return 1;
  } finally {
    await own?.close();
  }
}

function outputOf({ screen, isInteractive }: ReplContext): Output {
  return {
    line: (text) => {
      if (isInteractive) screen.answer(text);
      else void screen.output("stdout", bytesOfText(`${text}\n`));
    },
    bytes: async (bytes) => {
      await screen.output("stdout", bytes);
      if (screen.broken) throw new Error("Nobody reads the output");
    },
    say: (text) => screen.say(isInteractive ? screen.style.yellow(text) : text),
    columns: isInteractive ? screen.columns : undefined,
    ...(isInteractive && process.env.TERM !== "dumb"
      ? {
          status: {
            get columns(): number {
              return screen.columns;
            },
            show: (text: string | undefined) => screen.draw(`\r\x1b[K${text ?? ""}`),
          },
        }
      : {}),
  };
}
