// Types of the parts of `@std/*` that we use, for installs that take them from npm's `deno-std`,
// which ships none. Delete this file when the import maps point to JSR: real types would be hidden by it.

declare module "@std/toml" {
  export function parse(text: string): Record<string, unknown>;
}

declare module "@std/cli/parse-args" {
  export interface ParseArgsOptions {
    boolean?: readonly string[];
    string?: readonly string[];
    collect?: readonly string[];
    negatable?: readonly string[];
    alias?: Record<string, string | readonly string[]>;
    default?: Record<string, unknown>;
    stopEarly?: boolean;
    "--"?: boolean;
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }
  export function parseArgs(
    args: readonly string[],
    options?: ParseArgsOptions,
  ): Record<string, unknown> & { _: (string | number)[]; "--"?: string[] };
}

declare module "@std/streams" {
  export class TextLineStream extends TransformStream<string, string> {
    constructor(options?: { allowCR?: boolean });
  }
}
