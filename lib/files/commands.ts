/** The table of file commands: what they are called, what they take, and what is told about them. */

import { type FlagSpecs, type Parsed, parseFlags } from "../flags/flags.ts";
import { type FileContext, usageError } from "./command.ts";
import { copyCommand, copyFlags } from "./copy_command.ts";
import { listCommand, listFlags, statCommand, statFlags } from "./list_command.ts";
import {
  catCommand,
  catFlags,
  mkdirCommand,
  mkdirFlags,
  removeCommand,
  removeFlags,
  watchCommand,
  watchFlags,
} from "./path_commands.ts";
import { searchCommand, searchFlags } from "./search_command.ts";

/** A command about files. */
export interface FileCommand {
  /** What stands behind the name: `[-r] SRC… DST`. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: FlagSpecs;
  /** For help, after the flags. */
  readonly details: string;
  readonly example: string;
  /**
   * @returns The exit status.
   * @throws {ExecServerError} `ERR_USAGE`
   * @throws {HelpRequested}
   */
  run(context: FileContext, args: readonly string[]): Promise<number>;
}

interface Definition<F extends FlagSpecs> extends Omit<FileCommand, "flags" | "run"> {
  flags: F;
  /** Words that must be there. @default {1} */
  needs?: number;
  action(context: FileContext, flags: Parsed<F>["flags"], words: readonly string[]): Promise<number>;
}

/** A command out of its parts. */
export function define<const F extends FlagSpecs>(name: string, definition: Definition<F>): FileCommand {
  const { needs = 1, action, ...shown } = definition;
  return {
    ...shown,
    run: async (context, args) => {
      const { flags, rest } = parseFlags(args, definition.flags);
      if (rest.length < needs) throw usageError(`"${name}" needs a path: ${name} ${definition.usage}`);
      return await action(context, flags, rest);
    },
  };
}

const environmentFlags = {
  environment: {
    type: "string",
    short: "e",
    value: "ID",
    help: "Where paths without ENV: are",
  },
} as const satisfies FlagSpecs;

/** A command of which all paths are in environments. */
function defineThere<const F extends FlagSpecs>(name: string, definition: Definition<F>): FileCommand {
  const { action } = definition;
  return define(name, {
    ...definition,
    flags: { ...environmentFlags, ...definition.flags },
    action: (context, flags, words) => {
      const { environment } = flags as { environment?: string };
      const there: FileContext = {
        output: context.output,
        signal: context.signal,
        locate: (text) => context.locate(text, environment),
      };
      return action(there, flags as Parsed<F>["flags"], words);
    },
  });
}

export const fileCommands: Readonly<Record<string, FileCommand>> = {
  cp: define("cp", {
    usage: "[-rpL] [--resume] SRC… DST",
    summary: "copy files and trees",
    flags: copyFlags,
    needs: 0,
    details: `Into a directory that exists; else to that name, over a file that is there. What
cannot be copied is said, and the rest goes on. Links in trees are copied as
links; with -r this goes for a SRC that is one, too. New files are executable
where their sources are. After a lost connection a copy goes on behind the last
block that is good, and is compared by SHA-256 at the end; where a server cannot
do that, the file is begun anew. What is interrupted stays as far as it is.`,
    example: "cp -r build-box:/srv/logs ./logs",
    action: copyCommand,
  }),
  ls: defineThere("ls", {
    usage: "[-la1] [PATH…]",
    summary: "list directories",
    flags: listFlags,
    needs: 0,
    details: "",
    example: "ls -l build-box:/srv",
    action: listCommand,
  }),
  cat: defineThere("cat", {
    usage: "PATH…",
    summary: "write files to the output",
    flags: catFlags,
    details: "",
    example: "cat build-box:/etc/os-release",
    action: (context, _flags, words) => catCommand(context, words),
  }),
  rm: defineThere("rm", {
    usage: "[-rf] PATH…",
    summary: "remove files; -r: trees",
    flags: removeFlags,
    details: 'A link is removed, not what it leads to. The root, "." and ".." are refused.',
    example: "rm -r build-box:/srv/old",
    action: removeCommand,
  }),
  mkdir: defineThere("mkdir", {
    usage: "[-p] PATH…",
    summary: "make directories",
    flags: mkdirFlags,
    details: "",
    example: "mkdir -p build-box:/srv/a/b",
    action: mkdirCommand,
  }),
  stat: defineThere("stat", {
    usage: "[--json] PATH…",
    summary: "show what is known of a file",
    flags: statFlags,
    details: "Of a link it shows the link itself.",
    example: "stat --json build-box:notes.txt",
    action: statCommand,
  }),
  search: defineThere("search", {
    usage: "[-iF] PATTERN [PATH…]",
    summary: "find lines in files, there",
    flags: searchFlags,
    needs: 0,
    details: `PATTERN is a regular expression of RE2. Lines come as PATH:LINE:TEXT; the status
is 0 when there is one.`,
    example: "search -i todo build-box:/srv/site",
    action: searchCommand,
  }),
  watch: defineThere("watch", {
    usage: "[-r] PATH…",
    summary: "print changes as they happen",
    flags: watchFlags,
    details: 'Ends with Ctrl-C. "overflow" means that changes were missed.',
    example: "watch -r build-box:/srv/site",
    action: watchCommand,
  }),
};
