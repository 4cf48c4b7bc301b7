/** A command in the foreground with a terminal of its own: every byte passes both ways, and so does the size. */

import type { Job } from "./job.ts";
import type { Leaving, PipeSessionOptions } from "./pipe_session.ts";
import type { Terminal } from "./terminal.ts";

/** Ctrl-] leaves the program in the background; twice, it is sent to the program. */
const DETACH = 0x1d;
const DETACH_WAIT_MS = 400;

/** Undoes what a full-screen program has done to the terminal. */
const leaveModes =
  "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[r\x1b[0m\x1b(B\x0f";
const leaveAlternateScreen = "\x1b[?1049l";
const enterAlternateScreen = "\x1b[?1049h\x1b[2J\x1b[H";

/** Until the program has ended or was left in the background. */
export async function watchTerminal(
  job: Job,
  { terminal, screen, released }: PipeSessionOptions,
  options: { again: boolean },
): Promise<Leaving> {
  let leaving: Leaving | undefined;
  const end = Promise.race([
    job.settled.then(() => {
      leaving ??= "settled";
    }),
    released.then(() => {
      leaving ??= "background";
    }),
  ]);
  const resize = (): void => void job.process.resize(terminal.size).catch(() => {});
  if (options.again && job.inAlternateScreen) screen.draw(enterAlternateScreen);
  // What is still on its way wants its newlines treated.
  await screen.flush();
  terminal.passThrough(true);
  terminal.onResize = resize;
  job.attach((_stream, bytes) => screen.passThrough(bytes));
  if (options.again) redraw(job, terminal);
  try {
    for (;;) {
      await Promise.race([terminal.readable(), end]);
      if (leaving) break;
      const bytes = terminal.take();
      if (bytes === null) {
        await end;
        break;
      }
      if (bytes === undefined) continue;
      const at = bytes.indexOf(DETACH);
      if (at < 0) {
        send(job, bytes);
        continue;
      }
      send(job, bytes.subarray(0, at));
      terminal.unread(bytes.slice(at + 1));
      if (await isDoubled(terminal, end)) {
        send(job, Uint8Array.of(DETACH));
      } else {
        leaving ??= "background";
        break;
      }
    }
  } finally {
    terminal.onResize = undefined;
    if (leaving === "background") job.detach();
    await screen.flush();
    terminal.passThrough(false);
    if (leaving === "background" || job.inAlternateScreen) {
      screen.draw((job.inAlternateScreen ? leaveAlternateScreen : "") + leaveModes);
    }
  }
  return leaving ?? "settled";
}

function send(job: Job, bytes: Uint8Array): void {
  if (bytes.length > 0) job.process.write(bytes).catch(() => {});
}

/** Whether the next key is Ctrl-] too, which is then taken. */
async function isDoubled(terminal: Terminal, end: Promise<void>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DETACH_WAIT_MS);
  await Promise.race([terminal.readable(), late, end]);
  clearTimeout(timer);
  const bytes = terminal.take();
  if (bytes?.[0] === DETACH) {
    terminal.unread(bytes.slice(1));
    return true;
  }
  if (bytes) terminal.unread(bytes);
  return false;
}

/** A program draws itself anew when its size changes, so it changes twice. */
function redraw(job: Job, terminal: Terminal): void {
  const { columns, rows } = terminal.size;
  job.process
    .resize({ columns, rows: Math.max(1, rows - 1) })
    .then(() => job.process.resize({ columns, rows }))
    .catch(() => {});
}
