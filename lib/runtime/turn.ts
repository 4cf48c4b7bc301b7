/** Lets the event loop turn: a flood that is read without a pause would starve timers and connections. */

/** How long all readers together may go on before everybody else has a turn. */
const SLICE_MS = 1;

let sliceStart = 0;
let turn: Promise<void> | undefined;

/** For work of many small steps, in which each turn of the loop costs as much as some of them. */
export const LONG_SLICE_MS = 5;

/** Undefined when the caller may go on at once, else what it must await first. */
export function turnOfOthers(sliceMs: number = SLICE_MS): Promise<void> | undefined {
  if (turn) return turn;
  if (performance.now() - sliceStart <= sliceMs) return undefined;
  turn = new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      sliceStart = performance.now();
      resolve();
    });
  });
  return turn;
}
