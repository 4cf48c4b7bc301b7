/**
 * Ends what we have started when we end without being able to: killed with SIGKILL, or crashed.
 *
 * The system can tell a child of its parent's death (PDEATHSIG), but not its grandchildren, and the child has to ask for
 * it. So a small shell of its own session waits at the end of a pipe: when the pipe ends before we said good-bye, it
 * looks through the process table as `process_tree.ts` does, and kills.
 */

import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import type { Child, Runtime } from "../runtime/runtime.ts";

/** Changes are told together; most processes have ended by then. */
const REPORT_AFTER_MS = 20;
/** Longer where many run: the shell reads a character at a time. */
const REPORT_AFTER_MS_EACH = 1;
/** The shell goes when nothing has been running for so long. */
const IDLE_MS = 1000;

/**
 * Every line has all there is to guard: `PID,running,FILE,FILE` and, of what has ended but not all of its group,
 * `PID,ended,FILE,FILE`. A terminal hangs up with us and may take its leader along before we look, so who holds the
 * output goes too.
 */
const script = `
exec >/dev/null 2>&1
trap '' HUP INT TERM
last=
while read -r line; do last=$line; done
[ "$last" ] || exit 0
members=" " roots=" " files=" "
for entry in $last; do
  pid=\${entry%%,*} rest=\${entry#*,}
  state=\${rest%%,*}
  roots="$roots$pid "
  files="$files\${rest#*,},"
  [ "$state" = running ] || continue
  members="$members$pid "
  kill -STOP "$pid"
done
again=yes
while [ "$again" ]; do
  again=
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    pid=\${line%% *} rest=\${line##*) }
    case "$members" in *" $pid "*) continue ;; esac
    set -- $rest
    found=
    case "$members" in *" $2 "*) found=yes ;; esac
    case "$roots" in *" $3 "* | *" $4 "*) found=yes ;; esac
    [ "$found" ] && [ "$1" != Z ] || continue
    members="$members$pid " again=yes
    kill -STOP "$pid"
  done
done
kill -9 $members
for link in /proc/[0-9]*/fd/[012]; do
  target=$(readlink "$link") || continue
  pid=\${link#/proc/}
  case ",$files," in *",\${target%% *},"*) kill -9 "\${pid%%/*}" ;; esac
done
`;

interface Guarded {
  files: readonly string[];
  /** It has been waited for: its number is no longer its own. */
  ended: boolean;
}

/** One for each program. */
export class Guardian {
  readonly #runtime: Runtime;
  readonly #processes = new Map<number, Guarded>();
  #shell: Child | undefined;
  #report: ReturnType<typeof setTimeout> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** A process that leads its group has started; `files` is its output as the process table names it. */
  started(pid: number, files: readonly string[]): void {
    this.#processes.set(pid, { files, ended: false });
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#reportSoon();
  }

  /** It has ended, and others of its group may live. */
  exited(pid: number): void {
    const guarded = this.#processes.get(pid);
    if (!guarded) return;
    guarded.ended = true;
    this.#reportSoon();
  }

  /** Nothing of it is left. */
  gone(pid: number): void {
    if (!this.#processes.delete(pid)) return;
    if (this.#processes.size > 0 || this.#shell) this.#reportSoon();
    if (this.#processes.size > 0) return;
    if (this.#shell) this.#idle ??= setTimeout(() => this.#dismiss(), IDLE_MS);
    else this.#cancelReport();
  }

  #reportSoon(): void {
    const delayMs = REPORT_AFTER_MS + REPORT_AFTER_MS_EACH * this.#processes.size;
    this.#report ??= setTimeout(() => this.#reportAll(), delayMs);
  }

  #cancelReport(): void {
    clearTimeout(this.#report);
    this.#report = undefined;
  }

  #reportAll(): void {
    this.#report = undefined;
    this.#shell ??= this.#start();
    const entries = [...this.#processes].map(([pid, { files, ended }]) =>
      [pid, ended ? "ended" : "running", ...files].join(),
    );
    this.#shell?.stdin?.write(Buffer.from(`${entries.join(" ")}\n`)).catch(() => {
      // It was killed: the next one is told of everything anew.
      this.#dismiss();
      if (this.#processes.size > 0) this.#reportSoon();
    });
  }

  #start(): Child | undefined {
    if (!existsSync("/proc/self/stat")) return undefined;
    try {
      const shell = this.#runtime.spawn({
        file: "/bin/sh",
        argv: ["exec-server-guardian", "-c", script],
        env: { PATH: "/usr/bin:/bin" },
        cwd: "/",
        stdin: "pipe",
      });
      shell.stdout.cancel();
      shell.stderr?.cancel();
      return shell;
    } catch {
      // No shell, or no room for one: then nobody guards.
      return undefined;
    }
  }

  #dismiss(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#cancelReport();
    const shell = this.#shell;
    this.#shell = undefined;
    shell?.stdin?.close();
  }
}

const guardians = new WeakMap<Runtime, Guardian>();

/** The guardian of this program. */
export function guardianOf(runtime: Runtime): Guardian {
  let guardian = guardians.get(runtime);
  if (!guardian) {
    guardian = new Guardian(runtime);
    guardians.set(runtime, guardian);
  }
  return guardian;
}
