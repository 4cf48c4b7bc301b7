/** The `process/*` methods over the processes of one session. */

import { env as serverEnv } from "node:process";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { Family, Handlers } from "../protocol/methods.ts";
import type {
  CloseStdinParams,
  Empty,
  ReadParams,
  ReadResult,
  ResizeParams,
  SignalName,
  SignalParams,
  StartParams,
  StartResult,
  TerminateParams,
  WriteParams,
  WriteResult,
} from "../protocol/process.ts";
import type { StartLimits } from "../protocol/process_limits.ts";
import type { ListResult } from "../protocol/process_list.ts";
import { findProgram } from "../runtime/find_program.ts";
import { nodeOs } from "../runtime/node_modules.ts";
import type { Child, Runtime } from "../runtime/runtime.ts";
import { type Confined, spawnConfined } from "../sandbox/confine.ts";
import { intersect, type Policy, unrestricted } from "../sandbox/policy.ts";
import { resolvePolicy } from "../sandbox/resolve.ts";
import type { Cgroup, Cgroups, Controller } from "./cgroups.ts";
import { decodeCwd, decodeSize, invalid, refuseNul, startError } from "./checks.ts";
import { childEnv } from "./child_env.ts";
import { endAll } from "./end_all.ts";
import { type Guardian, guardianOf } from "./guardian.ts";
import { ManagedProcess, type ProcessObserver, StdinFull } from "./process.ts";
import { Reads } from "./read.ts";
import { StartRequest } from "./start_request.ts";

/** Bounds of the processes of a session. */
export interface ProcessLimits {
  /** Output kept of each process, in bytes. @default {4_194_304} (4 MiB) */
  retainedBytes: number;
  /** Output kept of all closed processes together; the oldest goes first. @default {67_108_864} (64 MiB) */
  retainedClosedBytes: number;
  /** Input that may wait for one child. @default {67_108_864} (64 MiB) */
  maxStdinBytes: number;
  /** How long a closed process can still be read and its id is taken. @default {80_000} */
  closedRetentionMs: number;
  /** How long processes may take to end by themselves when their session ends. @default {250} */
  endGraceMs: number;
}

export const defaultProcessLimits: ProcessLimits = {
  retainedBytes: 4 * 1024 * 1024,
  retainedClosedBytes: 64 * 1024 * 1024,
  maxStdinBytes: 64 * 1024 * 1024,
  closedRetentionMs: 80_000,
  endGraceMs: 250,
};

const signals: Record<SignalName, NodeJS.Signals> = {
  interrupt: "SIGINT",
  hangup: "SIGHUP",
  quit: "SIGQUIT",
  kill: "SIGKILL",
  terminate: "SIGTERM",
  user1: "SIGUSR1",
  user2: "SIGUSR2",
  stop: "SIGSTOP",
  continue: "SIGCONT",
};

/** Accepted `writeId`s that are remembered for each process. */
const REMEMBERED_WRITES = 4096;
const MAX_LABELS_LENGTH = 16 * 1024;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

interface Entry {
  process: ManagedProcess;
  request: StartRequest;
  /** Later, while its sandbox is made. */
  result: StartResult | Promise<StartResult>;
  writeIds: Set<string>;
  forget?: ReturnType<typeof setTimeout>;
}

/** Starts and keeps the processes of one session; the answers to `process/*` requests. */
export class ProcessTable implements Pick<Handlers, Family<"process">> {
  readonly #runtime: Runtime;
  readonly #guardian: Guardian;
  readonly #observer: ProcessObserver;
  readonly #limits: ProcessLimits;
  /** No process reaches further. */
  readonly #ceiling: Policy;
  readonly #cgroups: Cgroups | undefined;
  /** Groups of closed processes that have left somebody behind. */
  readonly #leftovers = new Set<Cgroup>();
  readonly #entries = new Map<string, Entry>();
  /** Closed processes with output, oldest first. */
  readonly #closed = new Set<ManagedProcess>();
  #closedBytes = 0;
  /** Whose program has never run: nothing of them is told. */
  readonly #notLaunched = new WeakSet<ManagedProcess>();
  readonly #reads = new Reads(
    (processId) => this.find(processId),
    () => this.#observer.ready(),
  );

  constructor(
    runtime: Runtime,
    observer: ProcessObserver,
    limits: ProcessLimits,
    ceiling: Policy = unrestricted,
    cgroups?: Cgroups,
  ) {
    this.#runtime = runtime;
    this.#ceiling = ceiling;
    this.#cgroups = cgroups;
    this.#guardian = guardianOf(runtime);
    this.#guardian.enter();
    if (cgroups) this.#guardian.watch(cgroups.folder);
    this.#limits = limits;
    this.#observer = {
      ready: () => observer.ready(),
      attached: (processId) => observer.attached(processId),
      event: (process, event) => {
        if (!this.#notLaunched.has(process)) observer.event(process, event);
        if (event.kind === "exited") this.#guardian.exited(process.pid);
        if (event.kind !== "closed") return;
        this.#guardian.gone(process.pid);
        if (process.cgroup) this.#leave(process.cgroup);
        this.#onClosed(process);
      },
    };
  }

  readonly "process/start" = (params: StartParams): StartResult | Promise<StartResult> => {
    const { processId, argv, arg0 } = params;
    const [program] = argv;
    if (program === undefined) throw invalid("argv must not be empty");
    const threadId = params.metadata?.threadId;
    if (threadId !== undefined && !uuid.test(threadId)) throw invalid("metadata.threadId: expected a UUID");
    const cwd = decodeCwd(params.cwd);
    const terminal = params.tty ? decodeSize(params.terminalSize ?? { columns: 80, rows: 24 }) : undefined;
    if (params.enforceManagedNetwork) {
      throw new RpcError(rpcCode.internal, "enforceManagedNetwork: this server has no proxy to lead through");
    }
    refuseUnheld(params.limits, this.#cgroups?.controllers);
    if (params.labels && JSON.stringify(params.labels).length > MAX_LABELS_LENGTH) {
      throw invalid(`labels: expected at most ${MAX_LABELS_LENGTH} characters of JSON`);
    }
    const existing = this.#entries.get(processId);
    if (existing) return joinOf(existing, params);
    const request = new StartRequest(params);
    if (program === "") {
      throw new RpcError(rpcCode.internal, `missing program for ${params.tty ? "PTY" : "pipe"} spawn`);
    }
    const env = childEnv({
      policy: params.envPolicy,
      env: params.env,
      metadata: params.metadata,
      serverEnv,
    });
    refuseNul([cwd, arg0 ?? "", ...argv, ...Object.keys(env), ...Object.values(env)]);
    const wanted = resolvePolicy(params.sandbox, { purpose: "process", cwd, tmpdir: env.TMPDIR });
    const policy = this.#ceiling === unrestricted ? wanted : intersect(wanted, this.#ceiling);
    this.#guardian.prepare();
    let cgroup: Cgroup | undefined;
    try {
      const spawn = (): Confined =>
        spawnConfined(this.#runtime, policy, {
          file: findProgram(program, env.PATH, cwd),
          argv: [arg0 ?? program, ...argv.slice(1)],
          env,
          cwd,
          stdin: params.pipeStdin ? "pipe" : "null",
          ...(terminal ? { terminal } : {}),
        });
      cgroup = this.#cgroups?.take(params.limits);
      const { child, sandboxType, launched, wasDenied } = cgroup ? cgroup.enclose(spawn) : spawn();
      holdTo(params.limits, cgroup, child);
      this.#guardian.started(child.pid, child.outputFiles());
      const process = new ManagedProcess(processId, child, this.#observer, {
        retention: { maxBytes: this.#limits.retainedBytes },
        maxStdinBytes: this.#limits.maxStdinBytes,
        outputWindowBytes: params.outputWindowBytes,
        limits: params.limits,
        cgroup,
        isConfined: sandboxType !== "none",
        wasDenied,
      });
      const answer: StartResult = { processId, sandboxType };
      const result = launched
        ? launched.then(
            () => answer,
            (error) => this.#onNotLaunched(process, error),
          )
        : answer;
      this.#entries.set(processId, { process, request, result, writeIds: new Set() });
      return result;
    } catch (error) {
      this.#guardian.notStarted();
      if (cgroup) this.#cgroups!.giveBack(cgroup);
      throw startError(error);
    }
  };

  readonly "process/read" = (params: ReadParams): ReadResult | Promise<ReadResult> =>
    this.#reads.read(params);

  readonly "process/write" = (params: WriteParams): WriteResult | Promise<WriteResult> => {
    const { writeId } = params;
    if (writeId === "") throw invalid("writeId must not be empty");
    const entry = this.#entries.get(params.processId);
    if (!entry) return { status: "unknownProcess" };
    if (writeId !== undefined && entry.writeIds.has(writeId)) return { status: "accepted" };
    let status: ReturnType<ManagedProcess["write"]>;
    try {
      status = entry.process.write(params.chunk);
    } catch (error) {
      if (error instanceof StdinFull) throw new RpcError(rpcCode.internal, error.message);
      throw error;
    }
    if (status !== "stdinClosed" && writeId !== undefined) {
      entry.writeIds.add(writeId);
      if (entry.writeIds.size > REMEMBERED_WRITES) {
        const [oldest] = entry.writeIds;
        entry.writeIds.delete(oldest!);
      }
    }
    return typeof status === "string" ? { status } : status.then((settled) => ({ status: settled }));
  };

  readonly "process/closeStdin" = (params: CloseStdinParams): WriteResult => {
    const entry = this.#entries.get(params.processId);
    if (!entry) return { status: "unknownProcess" };
    if (entry.process.isTerminal) {
      throw new RpcError(
        rpcCode.invalidRequest,
        `process ${params.processId} has a terminal, whose input has no end: write \\u0004 instead`,
      );
    }
    return { status: entry.process.closeStdin() };
  };

  readonly "process/list" = (): ListResult => ({
    processes: [...this.#entries.values()].map(({ process, request }) => ({
      processId: process.id,
      argv: [...request.argv],
      pid: process.pid,
      tty: process.isTerminal,
      state: process.closed ? "closed" : process.exited ? "exited" : "running",
      startedAtMs: request.startedAtMs,
      exitCode: process.exitCode,
      ...(process.exitSignal === undefined ? {} : { signal: process.exitSignal }),
      ...(process.endedBy === undefined ? {} : { endedBy: process.endedBy }),
      outputBytes: process.log.totalBytes,
      inputBytes: process.inputBytes,
      attached: this.#observer.attached(process.id),
      labels: { ...request.labels },
    })),
  });

  /** For observers; who is attached gets all events as it is. */
  readonly "process/attach" = (): never => {
    throw new RpcError(rpcCode.invalidRequest, "this connection gets the events of all processes already");
  };

  readonly "process/detach" = (): never => this["process/attach"]();

  readonly "process/signal" = (params: SignalParams): Empty => {
    this.#entries.get(params.processId)?.process.signal(nodeOs().constants.signals[signals[params.signal]]);
    return {};
  };

  readonly "process/terminate" = (params: TerminateParams): { running: boolean } => {
    const { processId, graceMs } = params;
    return { running: this.#entries.get(processId)?.process.terminate(graceMs) ?? false };
  };

  readonly "process/resize" = (params: ResizeParams): Empty => {
    const process = this.find(params.processId);
    if (!process.isTerminal) {
      throw new RpcError(rpcCode.invalidRequest, `process ${params.processId} has no terminal`);
    }
    process.resize(decodeSize(params));
    return {};
  };

  /** `process/consumed`. */
  consumed(processId: string, seq: number): void {
    this.#entries.get(processId)?.process.acknowledge(seq);
  }

  /** The client has gone: waits end, as this error where somebody else has come. */
  detach(error?: Error): void {
    this.#reads.end(error);
  }

  /** Asks everything to end, kills who does not, and settles when every child has been reaped. */
  async dispose(): Promise<void> {
    this.detach();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { forget } of entries) clearTimeout(forget);
    const processes = entries.map(({ process }) => process);
    await endAll(processes, [...this.#leftovers], this.#limits.endGraceMs);
    for (const cgroup of this.#leftovers) this.#leave(cgroup);
    this.#guardian.leave();
  }

  /** A process is closed; who is left of it may go when the session does. */
  #leave(cgroup: Cgroup): void {
    this.#leftovers.add(cgroup);
    for (const one of this.#leftovers) if (this.#cgroups!.giveBack(one)) this.#leftovers.delete(one);
  }

  /** Nothing of it is told but the error: no program has run. */
  #onNotLaunched(process: ManagedProcess, error: unknown): never {
    this.#notLaunched.add(process);
    if (this.#entries.get(process.id)?.process === process) this.#entries.delete(process.id);
    process.dispose();
    throw startError(error);
  }

  /** @throws {RpcError} There is no such process. */
  find(processId: string): ManagedProcess {
    const entry = this.#entries.get(processId);
    if (!entry) throw new RpcError(rpcCode.invalidRequest, `unknown process id ${processId}`);
    return entry.process;
  }

  #onClosed(process: ManagedProcess): void {
    const entry = this.#entries.get(process.id);
    if (entry?.process !== process) return;
    entry.request.shrink();
    entry.forget = setTimeout(() => {
      this.#entries.delete(process.id);
      if (this.#closed.delete(process)) this.#closedBytes -= process.log.retainedBytes;
    }, this.#limits.closedRetentionMs);
    if (process.log.retainedBytes === 0) return;
    this.#closed.add(process);
    this.#closedBytes += process.log.retainedBytes;
    for (const oldest of this.#closed) {
      if (this.#closedBytes <= this.#limits.retainedClosedBytes) break;
      this.#closed.delete(oldest);
      this.#closedBytes -= oldest.log.retainedBytes;
      oldest.log.dropAll();
    }
  }
}

/** The answer to a start whose id is in use. */
function joinOf({ request, result }: Entry, params: StartParams): StartResult | Promise<StartResult> {
  const { processId } = params;
  const refusal = (why: string): RpcError =>
    new RpcError(rpcCode.invalidRequest, `process ${processId} already exists${why}`);
  if (!params.startOnce) throw refusal("");
  if (!request.isSame(params)) throw refusal(", and another request has started it");
  const joined = (answer: StartResult): StartResult => ({ ...answer, joined: true });
  return result instanceof Promise ? result.then(joined) : joined(result);
}

function holdTo(limits: StartLimits | undefined, cgroup: Cgroup | undefined, child: Child): void {
  try {
    cgroup?.limit(limits);
  } catch (error) {
    child.signalGroup(nodeOs().constants.signals.SIGKILL);
    child.stdin?.destroy();
    child.stdout.cancel();
    child.stderr?.cancel();
    throw error;
  }
}

const resourceLimits = [
  ["memoryBytes", "memory"],
  ["processes", "pids"],
  ["cpuPercent", "cpu"],
] as const;

/** A limit that is not held would be worse than none. */
function refuseUnheld(
  limits: StartLimits | undefined,
  controllers: ReadonlySet<Controller> = new Set(),
): void {
  for (const [name, controller] of resourceLimits) {
    if (limits?.[name] === undefined || controllers.has(controller)) continue;
    throw new RpcError(rpcCode.invalidRequest, `limits.${name}: this server cannot hold a process to it`);
  }
}
