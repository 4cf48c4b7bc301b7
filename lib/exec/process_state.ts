/** How a process stands, local or remote, in the form that `codex` gives it. */

/** Never changed; each transition gives another. */
export interface ProcessState {
  /** It has ended, or nothing more can be known of it. */
  readonly hasExited: boolean;
  /** 128 + n after signal n. */
  readonly exitCode?: number;
  /** Why nothing more can be known of it, as when the connection was lost. */
  readonly failureMessage?: string;
}

/** The first state. */
export const processRunning: ProcessState = { hasExited: false };

/** The program has ended. A failure that came before stays. */
export function processExited(state: ProcessState, exitCode: number): ProcessState {
  return { ...state, hasExited: true, exitCode };
}

/** Nothing more can be known. An exit code that came before stays. */
export function processFailed(state: ProcessState, failureMessage: string): ProcessState {
  return { ...state, hasExited: true, failureMessage };
}
