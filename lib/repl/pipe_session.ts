/** A command in the foreground, with pipes: its output to the screen, what is typed to its input. */

import { ExecServerError } from "../protocol/errors.ts";
import type { SignalName } from "../protocol/process.ts";
import type { Job } from "./job.ts";
import type { Screen } from "./screen.ts";
import type { Terminal } from "./terminal.ts";
import { TypedInput } from "./typed_input.ts";

/** How the foreground was left. */
export type Leaving = "settled" | "background";

export interface PipeSessionOptions {
  terminal: Terminal;
  screen: Screen;
  /** Sends a signal to the job. */
  signal(signal: SignalName): Promise<void>;
  /** Settles when the prompt is to come back although the command has not ended. */
  released: Promise<void>;
}

/** A second Ctrl-C within this time kills. */
const KILL_WITHIN_MS = 2000;
/** A command that has not ended this long after Ctrl-C may need more. */
const HINT_AFTER_MS = 700;

/** Until the command has ended or was put into the background. */
export async function watchPipe(
  job: Job,
  { terminal, screen, signal, released }: PipeSessionOptions,
): Promise<Leaving> {
  const input = new TypedInput((text) => screen.echo(text));
  let interruptedAt = Number.NEGATIVE_INFINITY;
  let hint: ReturnType<typeof setTimeout> | undefined;
  let leaving: Leaving | undefined;
  const end = Promise.race([
    job.settled.then(() => {
      leaving ??= "settled";
    }),
    released.then(() => {
      leaving ??= "background";
    }),
  ]);

  const interrupt = (): void => {
    screen.echo("^C\n");
    if (performance.now() - interruptedAt < KILL_WITHIN_MS) {
      clearTimeout(hint);
      screen.say(screen.style.dim("killed"));
      job.killed = true;
      job.process.terminate().catch((error: Error) => screen.say(error.message));
      return;
    }
    interruptedAt = performance.now();
    clearTimeout(hint);
    hint = setTimeout(() => {
      screen.say(
        screen.style.dim("still running: Ctrl-C again kills it, Ctrl-Z puts it into the background"),
      );
      interruptedAt = performance.now();
    }, HINT_AFTER_MS);
    signal("interrupt").catch((error: Error) => screen.say(error.message));
  };
  const write = (text: string): void => {
    job.process.write(new TextEncoder().encode(text)).catch(() => {});
  };

  try {
    for (;;) {
      await Promise.race([terminal.readable(), end]);
      if (leaving) return leaving;
      const bytes = terminal.take();
      // The terminal has gone: whoever reads next finds out.
      if (bytes === null) {
        await end;
        return leaving!;
      }
      if (bytes) input.push(bytes);
      for (let event = input.next(); event; event = input.next()) {
        if (event.kind === "interrupt") interrupt();
        else if (event.kind === "quit") signal("quit").catch((error: Error) => screen.say(error.message));
        else if (event.kind === "background") return "background";
        else if (event.kind === "line" && event.text.trim() === ":bg") return "background";
        else if (event.kind === "line") write(`${event.text}\n`);
        else if (event.kind === "part") write(event.text);
        else await closeInput(job, screen);
      }
    }
  } finally {
    clearTimeout(hint);
    terminal.unread(input.rest());
  }
}

async function closeInput(job: Job, screen: Screen): Promise<void> {
  try {
    await job.process.closeStdin();
  } catch (error) {
    if (!(error instanceof ExecServerError) || error.code !== "ERR_UNSUPPORTED") return;
    screen.say(
      screen.style.yellow(
        "This server cannot end the input of a command: use Ctrl-C, or :tty for a terminal",
      ),
    );
  }
}
