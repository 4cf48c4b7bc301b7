/** Requests run at once unless one that came before, and is not finished, changes what they look at. */

/** What a request looks at or changes. */
export interface Claim {
  /** Absolute, as bytes. */
  path: string;
  /** All that is below counts too. */
  tree: boolean;
  change: boolean;
}

interface Running {
  claims: readonly Claim[];
  done: Promise<unknown>;
}

/** The order of the requests of one connection. Names are compared by their letters, links are not resolved. */
export class PathOrder {
  readonly #running = new Set<Running>();

  /** Runs the action at once, or after those that came before and concern the same files. */
  run<T>(claims: readonly Claim[], action: () => T | Promise<T>): T | Promise<T> {
    const before = [...this.#running].filter((other) => collide(other.claims, claims));
    const result = before.length === 0 ? action() : Promise.all(before.map(({ done }) => done)).then(action);
    if (!(result instanceof Promise)) return result;
    const running: Running = { claims, done: result.catch(() => {}) };
    this.#running.add(running);
    running.done.then(() => this.#running.delete(running));
    return result;
  }
}

function collide(before: readonly Claim[], now: readonly Claim[]): boolean {
  return before.some((a) => now.some((b) => (a.change || b.change) && touches(a, b)));
}

function touches(a: Claim, b: Claim): boolean {
  if (a.path === b.path) return true;
  return (a.tree && isBelow(b.path, a.path)) || (b.tree && isBelow(a.path, b.path));
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
