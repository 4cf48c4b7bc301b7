/** A child with its streams and its end, out of what the runtime lends: the C library and a reactor. */

import { type EpollWait, Reactor } from "./epoll.ts";
import { FdSink } from "./fd_sink.ts";
import { FdSource } from "./fd_source.ts";
import { type Libc, SIG_DFL, SIGCHLD, SYS_PIDFD_OPEN, WNOHANG } from "./libc.ts";
import { decodeWaitStatus, groupOf, posixSpawn, SharedFd, setTerminalSize } from "./posix_spawn.ts";
import { type Child, type ExitStatus, type SpawnOptions, unknownEnd } from "./runtime.ts";
import { fileText } from "./small_files.ts";

const POLL_MS = 5;

/** What children are made with, once for the program. */
export interface Spawner {
  readonly libc: Libc;
  readonly reactor: Reactor;
}

export function createSpawner(libc: Libc, wait: EpollWait): Spawner {
  if (ignoresSigchld()) libc.signal(SIGCHLD, SIG_DFL);
  return { libc, reactor: new Reactor(libc, wait) };
}

/** Who started us may have had this signal ignored, which is inherited: the system then forgets how a child ended. */
function ignoresSigchld(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(fileText("/proc/self/status"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & (1n << BigInt(SIGCHLD - 1))) !== 0n;
  } catch {
    return false;
  }
}

/** @throws {SpawnError} */
export function spawnChild({ libc, reactor }: Spawner, options: SpawnOptions): Child {
  const { pid, stdin, stdout, stderr, terminal } = posixSpawn(libc, options);
  const close = (fd: number): void => {
    reactor.forget(fd);
    libc.close(fd);
  };
  let waitedFor = false;
  const exited = exitOf(libc, reactor, pid, () => {
    waitedFor = true;
  });
  const master = options.terminal ? new SharedFd(() => close(stdout)) : undefined;
  // The master is reader, writer and the handle for resizing: it is closed when both streams are done with it.
  const release = (fd: number): (() => void) => (master ? master.share() : () => close(fd));
  const sourceOf = (fd: number): FdSource =>
    new FdSource(libc, reactor, fd, { release: release(fd), isTerminal: master !== undefined });
  const output = sourceOf(stdout);
  const errors = stderr === null ? null : sourceOf(stderr);
  const onInput = (): void => {
    output.expectAnswer();
    errors?.expectAnswer();
  };
  return {
    pid,
    stdin: stdin === null ? null : new FdSink(libc, reactor, stdin, release(stdin), onInput),
    stdout: output,
    stderr: errors,
    exited,
    signalGroup: groupOf(pid, () => waitedFor),
    outputFiles: () => {
      if (master) return master.open ? [terminal!] : [];
      return [output, errors].flatMap((pipe) => pipe?.fileName() ?? []);
    },
    resize: (size) => {
      if (master?.open) setTerminalSize(libc, stdout, size);
    },
  };
}

/** Settles when the process has ended: its pidfd becomes readable then. From `onWaitedFor` on its number is free. */
async function exitOf(
  libc: Libc,
  reactor: Reactor,
  pid: number,
  onWaitedFor: () => void,
): Promise<ExitStatus> {
  const fd = libc.syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0, 0);
  if (fd >= 0) {
    await reactor.readable(fd);
    reactor.forget(fd);
    libc.close(fd);
  }
  const status = new Int32Array(1);
  const reap = (): number => libc.waitpid(pid, new Uint8Array(status.buffer), WNOHANG);
  let reaped = reap();
  // Without pidfd_open (Linux before 5.3) this loop is all there is.
  for (; reaped === 0; reaped = reap()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  onWaitedFor();
  // Else somebody in this program has waited for it, or has the system forget who ends.
  return reaped === pid ? decodeWaitStatus(status[0]!) : unknownEnd;
}
