/** Cuts a script into what a shell would run at once: a line, or several that belong together. */

import type { ByteSource } from "../runtime/runtime.ts";
import { CommandScan } from "./incomplete.ts";

/** Reads no further than is needed for the next command. */
export async function* readCommands(source: ByteSource): AsyncGenerator<string, void> {
  let text = "";
  let command = new CommandScan();
  let heredoc: string | undefined;
  for await (const line of readLines(source)) {
    text = text === "" ? line : `${text}\n${line}`;
    // Long heredocs are not looked at again for each of their lines.
    if (heredoc !== undefined && line.replace(/^\t+/, "") !== heredoc) continue;
    const awaited = command.read(text);
    heredoc = awaited?.heredoc;
    if (awaited) continue;
    yield text;
    text = "";
    command = new CommandScan();
  }
  // The shell says what is missing.
  if (text !== "") yield text;
}

async function* readLines(source: ByteSource): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
