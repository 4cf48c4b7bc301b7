/** What the `:commands` and the loop share. */

import type { EnvironmentManager } from "../environments/manager.ts";
import type { History } from "./history.ts";
import type { Job } from "./job.ts";
import type { JobList } from "./jobs.ts";
import type { Screen } from "./screen.ts";
import type { Shell } from "./shell.ts";

/** What `:set` changes. */
export interface Settings {
  /** Whether lines run in a terminal: those of known programs, all, or none. */
  tty: "auto" | "always" | "never";
}

export interface ReplContext {
  readonly manager: EnvironmentManager;
  readonly screen: Screen;
  readonly jobs: JobList;
  readonly history: History;
  readonly settings: Settings;
  /** The environment that lines go to. */
  readonly shell: Shell | undefined;
  /** Somebody sits at a terminal. */
  readonly isInteractive: boolean;
  /** Goes to another environment once it is connected; says why not otherwise. */
  use(id: string): Promise<boolean>;
  /** Runs a line and gives its status. */
  runLine(text: string, how?: "terminal" | "pipe"): Promise<number>;
  /** Runs something that Ctrl-C stops; it ends soon after its signal. */
  interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Brings a job to the foreground. */
  attach(job: Job): Promise<number>;
  /** The shell of an environment that was used. */
  shellOf(environmentId: string): Shell | undefined;
  /** Ends the loop after this command. */
  quit(status?: number): void;
}
