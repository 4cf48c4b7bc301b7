/** What a process tells, and whom. */

import type { OutputStream } from "../protocol/process.ts";
import type { LimitName } from "../protocol/process_limits.ts";
import type { ManagedProcess } from "./process.ts";

/** What a process tells, in the order of the numbers. */
export type ProcessEvent =
  | { kind: "output"; seq: number; stream: OutputStream; bytes: Uint8Array }
  | {
      kind: "exited";
      seq: number;
      exitCode: number;
      signal?: string;
      endedBy?: LimitName;
      sandboxDenied: boolean;
    }
  | { kind: "closed"; seq: number; endedBy?: LimitName };

/** Who is told. */
export interface ProcessObserver {
  event(process: ManagedProcess, event: ProcessEvent): void;
  /** Nothing when more output may come, else a promise for when it may. */
  ready(): Promise<void> | undefined;
  /** To how many connections the events of a process go. */
  attached(processId: string): number;
}
