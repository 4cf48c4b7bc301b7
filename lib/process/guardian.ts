/**
 * Ends what we have started when we end without being able to: killed with SIGKILL, or crashed.
 *
 * The system can tell a child of its parent's death (PDEATHSIG), but not its grandchildren, and the child has to ask for
 * it. So a small shell of its own session waits at the end of a pipe. When the pipe ends, it reads in the journal what
 * had not ended, looks through the process table as `tree_search.ts` does, and kills.
 */

import type { Child, Runtime } from "../runtime/runtime.ts";
import { fileExists } from "../runtime/small_files.ts";
import { GuardJournal } from "./guard_journal.ts";

/** The shell goes when nothing has been running for so long. */
const IDLE_MS = 5000;
/** One that ended sooner is not replaced before the next start. */
const RESTART_AFTER_MS = 1000;

/**
 * Lines of the journal: `home FOLDER` with a folder of control groups, all of which go; `run PID FILE,FILE` with the output of the process, `end PID` when it has ended but not all of
 * its group, `out PID` when nothing of it is left. A terminal hangs up with us and may take its leader along before we
 * look, so who holds the output goes too.
 */
const script = `
exec >/dev/null 2>&1
trap '' HUP INT TERM
read -r line
# Nothing is left to do where the journal has gone before the pipe has ended.
[ -e "$1" ] || exit
pids=" " homes=
while read -r what pid held; do
  if [ "$what" = home ]; then homes="$homes $pid"; continue; fi
  eval "state$pid=$what"
  [ "$what" = run ] || continue
  eval "held$pid=\\$held"
  case "$pids" in *" $pid "*) ;; *) pids="$pids$pid " ;; esac
done <"$1"
rm -f "$1"
members=" " roots=" " files=","
for pid in $pids; do
  eval "state=\\$state$pid held=\\$held$pid"
  [ "$state" != out ] || continue
  # A number in use again is no group of ours any more.
  [ "$state" = run ] || [ ! -e "/proc/$pid" ] || continue
  roots="$roots$pid " files="$files$held,"
  [ "$state" = run ] || continue
  members="$members$pid "
  kill -STOP "$pid"
done
for home in $homes; do echo 1 >"$home/cgroup.kill"; done
again=yes
while [ "$again" ]; do
  again=
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    pid=\${line%% *} rest=\${line##*) }
    case "$members" in *" $pid "*) continue ;; esac
    set -- $rest
    found=
    case "$members" in *" $2 "* | *" $4 "*) found=yes ;; esac
    case "$roots" in *" $3 "* | *" $4 "*) found=yes ;; esac
    # One with several threads lives though its first has ended.
    [ "$found" ] && { [ "$1" != Z ] || [ "\${18}" -gt 1 ]; } || continue
    members="$members$pid " again=yes
    kill -STOP "$pid"
  done
done
kill -9 $members
for link in /proc/[0-9]*/fd/[012]; do
  target=$(readlink "$link") || continue
  pid=\${link#/proc/}
  case "$files" in *",\${target%% *},"*) kill -9 "\${pid%%/*}" ;; esac
done
for home in $homes; do
  for try in 1 2 3 4 5 6 7 8 9; do
    rmdir "$home"/[0-9]*
    rmdir "$home" && break
    [ -d "$home" ] || break
    sleep 0.1
  done
done
`;

interface Guarded {
  files: readonly string[];
  /** It has been waited for: its number is no longer its own. */
  ended: boolean;
}

/** The shell and what it reads. */
interface Guard {
  shell: Child;
  journal: GuardJournal;
}

/** One for each program. */
export class Guardian {
  readonly #runtime: Runtime;
  readonly #processes = new Map<number, Guarded>();
  readonly #homes = new Set<string>();
  #sessions = 0;
  #guard: Guard | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** All control groups in this folder are ours. */
  watch(home: string): void {
    this.#homes.add(home);
    this.#tell(`home ${home}`);
  }

  /** A session begins. */
  enter(): void {
    this.#sessions++;
  }

  /** A session is over. After the last one nobody will start anything soon, and a program may want to end. */
  leave(): void {
    this.#sessions--;
    this.#leaveIfIdle();
  }

  /** A process is about to start: from here on somebody watches. */
  prepare(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    if (this.#guard) return;
    this.#guard = this.#start();
    for (const line of this.#lines()) this.#tell(line);
  }

  /** The process was not started after all. */
  notStarted(): void {
    this.#leaveIfIdle();
  }

  /** A process that leads its group has started; `files` is its output as the process table names it. */
  started(pid: number, files: readonly string[]): void {
    this.#processes.set(pid, { files, ended: false });
    this.#tell(`run ${pid} ${files.join()}`);
  }

  /** It has ended, and others of its group may live. */
  exited(pid: number): void {
    const guarded = this.#processes.get(pid);
    if (!guarded) return;
    guarded.ended = true;
    this.#tell(`end ${pid}`);
  }

  /** Nothing of it is left. */
  gone(pid: number): void {
    if (!this.#processes.delete(pid)) return;
    this.#tell(`out ${pid}`);
    this.#leaveIfIdle();
  }

  #tell(line: string): void {
    try {
      this.#guard?.journal.add(line, () => this.#lines());
    } catch {
      // No room for it: then nobody guards.
      this.#dismiss();
    }
  }

  #lines(): string[] {
    const processes = [...this.#processes].flatMap(([pid, { files, ended }]) => [
      `run ${pid} ${files.join()}`,
      ...(ended ? [`end ${pid}`] : []),
    ]);
    return [...[...this.#homes].map((home) => `home ${home}`), ...processes];
  }

  #start(): Guard | undefined {
    if (!fileExists("/proc/self/stat")) return undefined;
    let journal: GuardJournal | undefined;
    try {
      journal = new GuardJournal();
      const shell = this.#runtime.spawn({
        file: "/bin/sh",
        argv: ["exec-server-guardian", "-c", script, "exec-server-guardian", journal.path],
        env: { PATH: "/usr/bin:/bin" },
        cwd: "/",
        stdin: "pipe",
      });
      shell.stdout.cancel();
      shell.stderr?.cancel();
      const from = performance.now();
      shell.exited.then(() => {
        if (this.#guard?.shell !== shell) return;
        // Somebody killed it. Another is told of everything anew; unless shells do not live here.
        this.#dismiss();
        if (this.#processes.size > 0 && performance.now() - from > RESTART_AFTER_MS) this.prepare();
      });
      return { shell, journal };
    } catch {
      // No shell, or no room for one: then nobody guards.
      journal?.remove();
      return undefined;
    }
  }

  #leaveIfIdle(): void {
    if (this.#processes.size > 0 || !this.#guard) return;
    if (this.#sessions === 0) this.#dismiss();
    else this.#idle ??= setTimeout(() => this.#dismiss(), IDLE_MS);
  }

  #dismiss(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const guard = this.#guard;
    this.#guard = undefined;
    guard?.journal.remove();
    guard?.shell.stdin?.destroy();
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
