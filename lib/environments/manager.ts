/** All environments of a configuration, and which of them is meant when none is named. */

import process from "node:process";
import { ExecServerError } from "../protocol/errors.ts";
import { currentRuntime, type Runtime } from "../runtime/runtime.ts";
import { loadEnvironments } from "./config.ts";
import { configuredEnvironment, type Environment, localEnvironment } from "./environment.ts";
import { type EnvironmentsConfig, LOCAL_ID } from "./toml.ts";

/** Where the configuration comes from. */
export interface OpenOptions {
  /** @default The environment variables of this program. */
  env?: Readonly<Record<string, string | undefined>>;
}

/** The environments of one configuration. Nothing is connected before it is used. */
export class EnvironmentManager implements AsyncDisposable {
  readonly config: EnvironmentsConfig;
  readonly #environments = new Map<string, Environment>();

  constructor(runtime: Runtime, config: EnvironmentsConfig) {
    this.config = config;
    if (config.includeLocal) this.#environments.set(LOCAL_ID, localEnvironment(runtime));
    for (const entry of config.environments)
      this.#environments.set(entry.id, configuredEnvironment(runtime, entry));
  }

  /**
   * Reads the configuration of this user: `CODEX_HOME/environments.toml`, else `CODEX_EXEC_SERVER_URL`, else
   * `local` alone.
   * @throws {ExecServerError} `ERR_CONFIG` with file, line, column and key.
   */
  static async open(options: OpenOptions = {}): Promise<EnvironmentManager> {
    return new EnvironmentManager(
      await currentRuntime(),
      loadEnvironments({ env: options.env ?? process.env }),
    );
  }

  /** In the order of the file, `local` first. */
  get all(): readonly Environment[] {
    return [...this.#environments.values()];
  }

  get defaultId(): string | null {
    return this.config.defaultId;
  }

  /**
   * The environment of that id, else the default one. Never another because one is down.
   * @throws {ExecServerError} `ERR_UNKNOWN_ENVIRONMENT`, `ERR_NO_DEFAULT_ENVIRONMENT`.
   */
  get(id: string | undefined = this.defaultId ?? undefined): Environment {
    const known = [...this.#environments.keys()].map((name) => `"${name}"`).join(", ") || "none";
    if (id === undefined) {
      throw new ExecServerError(
        "ERR_NO_DEFAULT_ENVIRONMENT",
        `There is no default environment: name one of those configured (${known})`,
      );
    }
    const environment = this.#environments.get(id);
    if (environment) return environment;
    throw new ExecServerError(
      "ERR_UNKNOWN_ENVIRONMENT",
      `There is no environment "${id}": configured are ${known}`,
    );
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((environment) => environment.close()));
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
