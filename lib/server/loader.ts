/** A part of the program that is loaded when it is needed, and not before. */

export class Loader<T> {
  readonly #start: () => Promise<T>;
  #loading: Promise<T> | undefined;
  #loaded: T | undefined;

  constructor(start: () => Promise<T>) {
    this.#start = start;
  }

  /** Undefined until it is there. */
  get loaded(): T | undefined {
    return this.#loaded;
  }

  /** Begins with the first call; all of them get the same. */
  load(): Promise<T> {
    this.#loading ??= this.#start().then((loaded) => {
      this.#loaded = loaded;
      return loaded;
    });
    return this.#loading;
  }
}
