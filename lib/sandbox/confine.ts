/** Starts programs under a policy. */

import { RpcError, rpcCode } from "../protocol/errors.ts";
import { O_RDONLY } from "../runtime/libc.ts";
import type { Child, Kernel, Runtime, SpawnOptions } from "../runtime/runtime.ts";
import { bubblewrapPlan } from "./bubblewrap.ts";
import { filterProgram } from "./filter.ts";
import { GatedChild } from "./gated_child.ts";
import { CannotEnforce } from "./ground.ts";
import { makeNamesRuleset, makeRuleset, makeScopeRuleset } from "./landlock.ts";
import { watchLaunch } from "./launch_status.ts";
import { launcherFd, launcherProgram } from "./launcher.ts";
import { forgetMechanisms, type Mechanisms, mechanisms } from "./mechanisms.ts";
import { NameGuard } from "./name_guard.ts";
import { fileRights } from "./own_rights.ts";
import { diskWithoutPlaceholders, Placeholders } from "./placeholders.ts";
import { type Plan, planFor } from "./plan.ts";
import type { Policy } from "./policy.ts";
import { seatbeltArguments } from "./seatbelt.ts";
import type { Architecture } from "./system_calls.ts";

/** How a process is confined, in the words of the wire. */
export type SandboxType = "none" | "linuxSeccomp" | "macosSeatbelt";

/** A started program. */
export interface Confined {
  child: Child;
  sandboxType: SandboxType;
  /**
   * Settles when the program itself runs; until then its streams give nothing. Rejects when it does not come to that.
   * Absent where starting it was all.
   * @throws {SpawnError} The system's error for the program.
   * @throws {RpcError} The sandbox could not be made.
   */
  launched?: Promise<void>;
  /** Whether it has been kept from making a name. Absent where nobody would know. */
  wasDenied?: () => boolean;
}

/**
 * Starts a program under a policy.
 * @throws {RpcError} −32603: nothing here can enforce the policy; nothing was started.
 * @throws {SpawnError}
 */
export function spawnConfined(runtime: Runtime, policy: Policy, options: SpawnOptions): Confined {
  const works = (): Mechanisms => mechanisms(runtime.kernel());
  const plan = refuseClearly(() => planFor(policy, works, diskWithoutPlaceholders()));
  switch (plan.kind) {
    case "none":
      return { child: runtime.spawn(options), sandboxType: "none" };
    case "seatbelt": {
      const { seatbelt } = works();
      const path = seatbelt.works ? seatbelt.path : "";
      const argv = [
        "sandbox-exec",
        ...seatbeltArguments(policy),
        "--",
        options.file,
        ...options.argv.slice(1),
      ];
      return { child: runtime.spawn({ ...options, file: path, argv }), sandboxType: "macosSeatbelt" };
    }
    default:
      return refuseClearly(() => launch(runtime, runtime.kernel()!, plan, policy, options));
  }
}

type LinuxPlan = Exclude<Plan, { kind: "none" | "seatbelt" }>;

function launch(
  runtime: Runtime,
  kernel: Kernel,
  plan: LinuxPlan,
  policy: Policy,
  options: SpawnOptions,
): Confined {
  const { seccomp, bubblewrap, landlock } = mechanisms(kernel);
  if (!seccomp.works) throw new CannotEnforce(seccomp.why);
  const { architecture } = seccomp;
  const { source, writeFd } = kernel.pipe();
  /** Ours, until the child has them. */
  const lent = [writeFd];
  let placeholders = new Placeholders(runtime, []);
  let child: Child;
  let guard: NameGuard | undefined;
  let listener: (() => Promise<number | undefined>) | undefined;
  try {
    const self = `/proc/self/fd/${launcherFd.self}`;
    const command = [options.file, ...options.argv];
    const lend = (fd: number): number => {
      lent.push(fd);
      return fd;
    };
    const dropPwd = plan.kind === "bubblewrap" && !Object.hasOwn(options.env, "PWD");
    const hasScope = plan.kind === "filter" && landlock.works;
    const rights = rightsUnder(plan, kernel, architecture);
    const launcher = lend(
      kernel.memoryFile(launcherFor(architecture, plan, policy, { dropPwd, hasScope, rights })),
    );
    const extraFds = [writeFd, launcher];
    if (plan.kind === "bubblewrap") {
      if (!bubblewrap.works) throw new CannotEnforce(bubblewrap.why);
      const { newNames } = plan.grounded;
      if (newNames) {
        extraFds.push(lend(makeNamesRuleset(kernel, architecture, newNames.heldLinks.length > 0)));
        const { fd, receive } = kernel.handover();
        extraFds.push(lend(fd));
        guard = new NameGuard(kernel, architecture, newNames);
        listener = receive;
      }
      const argsFd = launcherFd.status + extraFds.length;
      const {
        options: words,
        masks,
        placeholders: missing,
      } = bubblewrapPlan(plan.grounded, {
        network: policy.network,
        cwd: options.cwd,
        env: options.env,
        firstMaskFd: argsFd + 1,
        disableUserNamespaces: bubblewrap.disableUserNamespaces,
        kernelSettings: bubblewrap.kernelSettings,
      });
      extraFds.push(
        lend(kernel.memoryFile(new TextEncoder().encode(words.map((word) => `${word}\0`).join("")))),
      );
      if (masks > 0) {
        const empty = lend(kernel.open("/dev/null", O_RDONLY));
        extraFds.push(...new Array<number>(masks).fill(empty));
      }
      placeholders = holdNames(runtime, missing);
      child = runtime.spawn({
        ...options,
        file: bubblewrap.path,
        argv: ["bwrap", "--args", `${argsFd}`, "--", self, ...command],
        // Its own variables: those of the program could make it load a library of the workspace.
        env: {},
        extraFds,
        blockSignals: true,
      });
    } else {
      if (plan.kind === "landlock")
        extraFds.push(lend(makeRuleset(kernel, architecture, plan.rules, policy.network)));
      else if (hasScope) extraFds.push(lend(makeScopeRuleset(kernel, architecture)));
      const argv = ["exec-server-launcher", ...command];
      child = runtime.spawn({ ...options, file: self, argv, extraFds, blockSignals: true });
    }
  } catch (error) {
    source.cancel();
    placeholders.ended();
    throw error;
  } finally {
    for (const fd of lent) kernel.close(fd);
    // With no end left for the program it settles at once where nothing was started.
    listener?.()
      .then((fd) => (fd === undefined ? undefined : guard!.serve(fd)))
      // The listener is closed then, and nothing is made any more.
      .catch(() => {});
  }
  // The end is told when nothing of the sandbox is left on the disk.
  const ended = child.exited.then((status) => placeholders.ended().then(() => status));
  const launched = watchLaunch(source, child, () => placeholders.started(child.pid)).catch((error) => {
    if (error instanceof CannotEnforce) forgetMechanisms();
    throw toRefusal(error);
  });
  return {
    child: new GatedChild(child, launched, ended),
    sandboxType: "linuxSeccomp",
    launched,
    ...(guard && { wasDenied: () => guard!.hasDenied }),
  };
}

function holdNames(runtime: Runtime, paths: readonly string[]): Placeholders {
  try {
    return new Placeholders(runtime, paths);
  } catch (error) {
    throw new CannotEnforce((error as Error).message);
  }
}

/** What the launcher keeps; undefined where bubblewrap has given up all. Whoever may write every file keeps what that takes. */
function rightsUnder({ kind }: LinuxPlan, kernel: Kernel, architecture: Architecture): number | undefined {
  if (kind === "bubblewrap") return undefined;
  return kind === "filter" ? fileRights(kernel, architecture) : 0;
}

const launchers = new Map<string, Uint8Array>();

function launcherFor(
  architecture: Architecture,
  plan: LinuxPlan,
  policy: Policy,
  { dropPwd, hasScope, rights }: { dropPwd: boolean; hasScope: boolean; rights: number | undefined },
): Uint8Array {
  const newNames = plan.kind === "bubblewrap" ? plan.grounded.newNames : undefined;
  const names = newNames && (newNames.heldLinks.length > 0 ? "removals" : "made");
  const withoutNamespaces = plan.kind === "landlock";
  const key = `${policy.network} ${withoutNamespaces} ${dropPwd} ${hasScope} ${rights} ${names}`;
  let program = launchers.get(key);
  if (!program) {
    const filter = filterProgram({
      architecture,
      network: policy.network,
      withoutNamespaces,
      ownLimitsOnly: plan.kind !== "bubblewrap",
      names,
    });
    program = launcherProgram({
      architecture,
      filter,
      fileRules: withoutNamespaces || names !== undefined || hasScope,
      rights,
      ownProcess: withoutNamespaces,
      dropPwd,
      handOver: names !== undefined,
    });
    launchers.set(key, program);
  }
  return program;
}

function refuseClearly<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toRefusal(error);
  }
}

function toRefusal(error: unknown): unknown {
  return error instanceof CannotEnforce
    ? new RpcError(rpcCode.internal, `sandbox: ${error.message}`, undefined, { cause: error })
    : error;
}
