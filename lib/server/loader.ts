/** A part of the program that is loaded when it is needed, and not before. */

export class Loader<T> {
  readonly #start: () => Promise<T>;
  #loading: Promise<T> | undefined;
  #loaded: T | undefined;
  #failure: unknown;

  constructor(start: () => Promise<T>) {
    this.#start = start;
  }

  /** Undefined until it is there. */
  get loaded(): T | undefined {
    return this.#loaded;
  }

  /** What is there by now. @throws {unknown} Why it is not. */
  get(): T {
    if (this.#loaded === undefined) throw this.#failure ?? new Error("This is not loaded yet");
    return this.#loaded;
  }

  /** What to wait for before `get()`; undefined when it is there, and when it will never be. */
  wait(): Promise<T> | undefined {
    return this.#loaded === undefined && this.#failure === undefined ? this.load() : undefined;
  }

  /** Begins with the first call; all of them get the same. */
  load(): Promise<T> {
    this.#loading ??= this.#start().then(
      (loaded) => {
        this.#loaded = loaded;
        return loaded;
      },
      (failure) => {
        this.#failure = failure;
        throw failure;
      },
    );
    return this.#loading;
  }
}
