/** Why a goal is out of reach or a figure needs a word; told where the goal is not met. By the beginning of the id. */

const notes: readonly (readonly [prefix: string, note: string])[] = [
  [
    "start.listen_ms",
    "the control, an empty compiled program that listens, needs what its column says before any code of ours is loaded",
  ],
  ["start.rss_MB", "most of it are the pages of the executable, which is the engine: see the control"],
];

export function noteOn(id: string): string | undefined {
  return notes.find(([prefix]) => id.startsWith(prefix))?.[1];
}
