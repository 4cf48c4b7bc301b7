/** The places that words of one command line lead to. */

import process from "node:process";
import { ExecServerError } from "../protocol/errors.ts";
import {
  type EnvironmentLike,
  environmentPlace,
  type Location,
  locate,
  type Place,
  parseTarget,
} from "./target.ts";

/** What is needed to find them. */
export interface PlacesOptions {
  /** The environment of an id; the default one without. @throws {ExecServerError} There is none. */
  environment(id: string | undefined): EnvironmentLike;
  /** Where words without `ENV:` lead when the command names no environment. */
  plain(): Place;
  /** What relative paths of an environment begin in, where it is not the folder of its commands. */
  folder?(id: string): string | undefined;
}

export class Places {
  readonly #options: PlacesOptions;
  readonly #places = new Map<string, Place>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** @throws {ExecServerError} `ERR_USAGE`, `ERR_UNKNOWN_ENVIRONMENT`, `ERR_NO_DEFAULT_ENVIRONMENT`, and of connecting. */
  async locate(text: string, environment?: string): Promise<Location> {
    const target = parseTarget(text, process.platform === "win32");
    if (target.environment === null && environment === undefined) {
      return await locate(this.#options.plain(), target.path);
    }
    const id = target.environment ?? environment;
    return await locate(this.of(this.#environment(id === "" ? undefined : id, text)), target.path);
  }

  /** The place of an environment, always the same. */
  of(environment: EnvironmentLike): Place {
    const known = this.#places.get(environment.id);
    if (known) return known;
    const place = environmentPlace(environment);
    const stands = this.#options.folder?.(environment.id);
    const found = stands === undefined ? place : { ...place, folder: async () => stands };
    this.#places.set(environment.id, found);
    return found;
  }

  #environment(id: string | undefined, text: string): EnvironmentLike {
    try {
      return this.#options.environment(id);
    } catch (error) {
      const isUnknown = error instanceof ExecServerError && error.code === "ERR_UNKNOWN_ENVIRONMENT";
      if (!isUnknown || !text.startsWith(`${id}:`)) throw error;
      throw new ExecServerError(error.code, `${error.message} (a file of that name is "./${text}")`, {
        cause: error,
      });
    }
  }
}
