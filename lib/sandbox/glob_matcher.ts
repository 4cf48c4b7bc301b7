/**
 * Matches texts with a pattern in one pass. An expression of JavaScript goes back for every star: with five of them a name of
 * 255 letters takes it half a minute, in which the server does nothing else.
 */

/** One step of the program that a pattern becomes. */
type Step =
  /** Takes one character for which this holds. */
  | { kind: "take"; test: (character: number) => boolean }
  /** Goes on in each of these places. */
  | { kind: "fork"; to: number[] }
  | { kind: "end" };

/** All places where a text may have led to. */
interface State {
  readonly places: readonly number[];
  /** Whether a text that ends here matches. */
  readonly matches: boolean;
  /** What an ASCII character leads to, as far as it has been asked for. */
  readonly next: (State | undefined)[];
}

const SLASH = 47;
const ASCII_END = 128;
/** More are not kept: few patterns have more than some ten. */
const MAX_STATES = 500;

/** A compiled pattern. */
export class GlobMatcher {
  readonly #program: readonly Step[];
  readonly #states = new Map<string, State>();
  #start: State;

  /** @throws {SyntaxError} A set that is none, such as `[z-a]`. */
  constructor(pattern: string) {
    this.#program = programOf(pattern);
    this.#start = this.#stateOf([0]);
  }

  matches(text: string): boolean {
    let state = this.#start;
    for (let i = 0; i < text.length; i++) {
      const character = text.codePointAt(i)!;
      if (character > 0xffff) i++;
      state = state.next[character] ?? this.#step(state, character);
      if (state.places.length === 0) return false;
    }
    return state.matches;
  }

  #step(state: State, character: number): State {
    const places: number[] = [];
    for (const place of state.places) {
      const step = this.#program[place]!;
      if (step.kind === "take" && step.test(character)) places.push(place + 1);
    }
    const next = this.#stateOf(places);
    if (character < ASCII_END) state.next[character] = next;
    return next;
  }

  /** With all that forks lead to. */
  #stateOf(from: readonly number[]): State {
    const reached = new Set<number>();
    const left = [...from];
    for (let place = left.pop(); place !== undefined; place = left.pop()) {
      if (reached.has(place)) continue;
      reached.add(place);
      const step = this.#program[place]!;
      if (step.kind === "fork") for (const to of step.to) left.push(to);
    }
    const places = [...reached]
      .filter((place) => this.#program[place]!.kind !== "fork")
      .sort((a, b) => a - b);
    const key = places.join();
    let state = this.#states.get(key);
    if (!state) {
      if (this.#states.size >= MAX_STATES) this.#forget();
      state = { places, matches: places.at(-1) === this.#program.length - 1, next: [] };
      this.#states.set(key, state);
    }
    return state;
  }

  #forget(): void {
    this.#states.clear();
    this.#start = this.#stateOf([0]);
  }
}

/** A set of braces that is still open. */
interface Alternatives {
  fork: number[];
  /** The ends of those that are complete. */
  ends: number[][];
}

function programOf(pattern: string): Step[] {
  const program: Step[] = [];
  const open: Alternatives[] = [];
  const take = (test: (character: number) => boolean): void => void program.push({ kind: "take", test });
  const fork = (...to: number[]): number[] => {
    program.push({ kind: "fork", to });
    return to;
  };
  const isName = (character: number): boolean => character !== SLASH;
  const any = (test: (character: number) => boolean): void => {
    const begin = program.length;
    fork(begin + 1, begin + 3);
    take(test);
    fork(begin);
  };
  /** One or more names, each with its slash. */
  const anyFolders = (): void => {
    const begin = program.length;
    fork(begin + 1, begin + 5);
    take(isName);
    fork(begin + 1, begin + 3);
    take((character) => character === SLASH);
    fork(begin);
  };
  const close = (): void => {
    for (const end of open.pop()!.ends) end.push(program.length);
  };

  // Looked for once: nothing takes a time that grows faster than the pattern.
  const [lastBracket, lastBrace] = ["]", "}"].map((end) => pattern.lastIndexOf(end)) as [number, number];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    if (character === "*") {
      const atStart = i === 0 || pattern[i - 1] === "/";
      const from = i;
      while (pattern[i + 1] === "*") i++;
      const stars = i + 1 - from;
      if (stars >= 2 && atStart && pattern[i + 1] === "/") {
        anyFolders();
        i++;
      } else any(stars >= 2 ? () => true : isName);
    } else if (character === "?") {
      take(isName);
    } else if (character === "[" && i < lastBracket) {
      const { length, has } = setAt(pattern, i);
      take((one) => isName(one) && has.test(String.fromCodePoint(one)));
      i += length - 1;
    } else if (character === "{" && i < lastBrace) {
      open.push({ fork: fork(program.length + 1), ends: [] });
    } else if (character === "}" && open.length > 0) {
      close();
    } else if (character === "," && open.length > 0) {
      const { fork: alternatives, ends } = open.at(-1)!;
      ends.push(fork());
      alternatives.push(program.length);
    } else {
      if (character === "\\" && i + 1 < pattern.length) i++;
      const wanted = pattern.codePointAt(i)!;
      if (wanted > 0xffff) i++;
      take((one) => one === wanted);
    }
  }
  while (open.length > 0) close();
  program.push({ kind: "end" });
  return program;
}

/** A set such as `[a-z]`, whose end is there; `]` may be the first in it. */
function setAt(pattern: string, at: number): { length: number; has: RegExp } {
  const not = /[!^]/.test(pattern[at + 1] ?? "") ? 1 : 0;
  const begin = at + 1 + not;
  const second = pattern[begin] === "]" ? pattern.indexOf("]", begin + 1) : -1;
  const end = second >= 0 ? second : pattern.indexOf("]", begin);
  const inner = pattern.slice(begin, end).replace(/[\\\]^[]/g, "\\$&");
  return { length: end + 1 - at, has: new RegExp(`^[${not ? "^" : ""}${inner}]$`, "su") };
}
