/** Waits for the other side while the user can give up. */

import type { Screen } from "./screen.ts";
import type { Terminal } from "./terminal.ts";

export interface PatienceOptions {
  terminal: Terminal;
  screen: Screen;
  /** Shown when it takes time: `connecting to box`. */
  what: string;
  /** Gives up, as Ctrl-C does. */
  givenUp: Promise<void>;
}

/** That we wait is shown after this time. */
const SAY_AFTER_MS = 300;

/** What a promise gives, or undefined when Ctrl-C came first. Other keys are left for whoever reads next. */
export async function waitPatiently<T>(
  promise: Promise<T>,
  { terminal, screen, what, givenUp }: PatienceOptions,
): Promise<T | undefined> {
  let shown = false;
  const timer = setTimeout(() => {
    shown = true;
    screen.draw(`${screen.style.dim(`${what} … (Ctrl-C gives up)`)}\r`);
  }, SAY_AFTER_MS);
  let over: "settled" | "given up" | undefined;
  const settle = (): void => {
    over ??= "settled";
  };
  const end = Promise.race([
    promise.then(settle, settle),
    givenUp.then(() => {
      over ??= "given up";
    }),
  ]);
  const early: Uint8Array[] = [];
  try {
    for (;;) {
      await Promise.race([end, terminal.readable()]);
      if (over === "settled") return await promise;
      if (over === "given up") return undefined;
      const bytes = terminal.take();
      if (bytes === null) return undefined;
      // Before anybody could see that we wait, Ctrl-C is meant for the command.
      if (shown && bytes?.includes(3)) {
        early.length = 0;
        return undefined;
      }
      if (bytes) early.push(bytes);
    }
  } finally {
    clearTimeout(timer);
    if (shown) screen.draw("\r\x1b[K");
    for (const bytes of early.reverse()) terminal.unread(bytes);
  }
}
