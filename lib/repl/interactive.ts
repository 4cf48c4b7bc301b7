/** The loop at a terminal: prompt, line, output, and again. */

import process from "node:process";
import { version } from "../protocol/version.ts";
import { complete } from "./command_completion.ts";
import { isIncomplete } from "./incomplete.ts";
import { LineEditor, type LineResult } from "./line_editor.ts";
import type { Session } from "./session.ts";
import { shorten } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { TypedInput } from "./typed_input.ts";

/** Reads and runs lines until the user leaves. */
export async function runInteractive(
  session: Session,
  terminal: Terminal,
  environmentId: string | undefined,
): Promise<void> {
  const { screen, history, jobs } = session;
  const editor = new LineEditor({
    terminal,
    screen,
    history: () => history.entries,
    isIncomplete: (text) => !text.startsWith(":") && isIncomplete(text),
    complete: (text, cursor) => complete(session, text, cursor),
  });
  const isDumb = process.env.TERM === "dumb";
  const read = isDumb ? (prompt: string) => readPlainly(session, terminal, prompt) : editor.read.bind(editor);
  terminal.onEnd = (signal) => {
    session.quit(signal === "SIGTERM" ? 143 : 129);
    session.releaseForeground();
    editor.abort();
  };
  const shell = session.begin(environmentId);
  terminal.raw();
  if (await session.connect(shell)) {
    const { dim } = screen.style;
    screen.say(dim(`exec-server ${version} · ${shell.id} · ${shell.info!.shell.name} · :help for help`));
  }
  if (history.problem) screen.say(screen.style.yellow(history.problem));
  let asked = false;
  while (!session.ended) {
    for (const line of jobs.news(screen.style)) screen.say(line);
    const result = await read(prompt(session));
    if (session.ended) break;
    if (result.kind === "end") {
      const running = jobs.running;
      if (running.length > 0 && !asked) {
        asked = true;
        const names = running.map((job) => `[${job.id}] ${shorten(job.text, 30)}`).join(", ");
        screen.say(
          `Still running: ${names}. Ctrl-D again ends ${running.length === 1 ? "it" : "them"} and leaves`,
        );
        continue;
      }
      break;
    }
    asked = false;
    if (result.kind === "interrupted") continue;
    history.add(result.text);
    await session.run(result.text);
  }
}

/** `box:~/src$ ` */
function prompt({ shell, screen }: Session): string {
  const { style } = screen;
  if (!shell) return "$ ";
  const { cwd } = shell.state;
  const { home } = shell;
  const isHome = home && cwd && (cwd === home || cwd.startsWith(home.endsWith("/") ? home : `${home}/`));
  const folder = cwd === undefined ? "" : isHome ? `~${cwd.slice(home.replace(/\/$/, "").length)}` : cwd;
  const id = shell.isConnected ? style.green(shell.id) : style.yellow(shell.id);
  return `${id}:${style.blue(folder.replace(/[\x00-\x1f\x7f]/g, "?"))}${shell.status === 0 ? "$" : style.red("$")} `;
}

/** For terminals that cannot move the cursor: a prompt and an echo. */
async function readPlainly(session: Session, terminal: Terminal, prompt: string): Promise<LineResult> {
  const { screen } = session;
  screen.freshLine();
  screen.echo(prompt);
  const input = new TypedInput((text) => screen.echo(text));
  let text = "";
  try {
    for (;;) {
      await terminal.readable();
      const bytes = terminal.take();
      if (bytes === null) return { kind: "end" };
      if (bytes) input.push(bytes);
      for (let event = input.next(); event; event = input.next()) {
        if (event.kind === "interrupt") {
          screen.echo("^C\n");
          return { kind: "interrupted" };
        }
        if (event.kind === "end" && text === "") {
          screen.echo("\n");
          return { kind: "end" };
        }
        if (event.kind !== "line") continue;
        text += event.text;
        if (!isIncomplete(text)) return { kind: "line", text };
        text += "\n";
        screen.echo("> ");
      }
    }
  } finally {
    terminal.unread(input.rest());
  }
}
