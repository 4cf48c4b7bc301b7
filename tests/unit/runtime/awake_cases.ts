/** Connections that the program need not go on for. */

import { strictEqual } from "node:assert";
import type { ByteStream } from "../../../lib/runtime/runtime.ts";
import { type Case, output, programCommand, run } from "./support.ts";

export const awakeCases: Case[] = [
  {
    name: "tcp: keepAwake() says whether the program goes on for the connection",
    run: async (runtime) => {
      const streams: ByteStream[] = [];
      // A while later, when there is nothing else to go on for.
      const listener = await runtime.listen({ hostname: "127.0.0.1", port: 0 }, (stream) => {
        streams.push(stream);
        return {
          data: (bytes) => void setTimeout(() => stream.write(bytes), 50),
          drain: () => {},
          close: () => {},
        };
      });
      const argv = [...programCommand(runtime, "program.ts"), "keep-awake", String(listener.port)];
      const { stderr, code } = await output(run(runtime, argv));
      // The connection was open to the end: what ended is the program.
      strictEqual(stderr, "answer one\nanswer two\n");
      strictEqual(code, 0);
      for (const stream of streams) stream.destroy();
      listener.close();
    },
  },
];
