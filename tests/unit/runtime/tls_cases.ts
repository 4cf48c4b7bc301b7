/** TLS against the server of `openssl`: whom we trust, and whom not. */

import { match, rejects, strictEqual } from "node:assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import {
  type Case,
  dispose,
  inFolder,
  output,
  programCommand,
  readUntil,
  run,
  shell,
  within,
} from "./support.ts";
import { connect } from "./tcp_cases.ts";

const OPENSSL = "/usr/bin/openssl";

export const tlsCases: Case[] = [
  {
    name: "tls: an untrusted certificate rejects",
    run: (runtime) =>
      withServer(runtime, async ({ port }) => {
        const connecting = connect(runtime, { hostname: "localhost", port, tls: true });
        await rejects(within(connecting, "the rejection"), Error);
      }),
  },
  {
    name: "tls: a trusted certificate is accepted for its name only, and bytes go both ways",
    run: (runtime) =>
      withServer(runtime, async ({ port, authority }) => {
        const say = async (hostname: string): Promise<string> => {
          // Trust is a matter of the program's start.
          const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority, DENO_CERT: authority } as Record<
            string,
            string
          >;
          const argv = [...programCommand(runtime, "program.ts"), "tls", hostname, String(port)];
          return (await output(run(runtime, argv, { env }))).stderr;
        };
        strictEqual(await say("localhost"), "answer olleh\nclosed\n");
        match(await say("127.0.0.1"), /^failed /);
      }),
  },
];

/** The certificate is for `localhost`, signed by an authority of its own. */
const MAKE_CERTIFICATES = `
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj "/CN=Test authority"
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj "/CN=localhost"
printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem
`;

async function withServer(
  runtime: Runtime,
  use: (server: { port: number; authority: string }) => Promise<void>,
): Promise<string | undefined> {
  if (!existsSync(OPENSSL)) return "openssl is not installed";
  await inFolder(async (folder) => {
    const made = await output(shell(runtime, `set -e; ${MAKE_CERTIFICATES}`, { cwd: folder }));
    strictEqual(made.code, 0, made.stderr);
    // A free port, told by s_server itself.
    const argv = [
      OPENSSL,
      "s_server",
      "-accept",
      "127.0.0.1:0",
      "-cert",
      "cert.pem",
      "-key",
      "key.pem",
      "-rev",
    ];
    const server = run(runtime, argv, { cwd: folder, stdin: "pipe" });
    const said = await readUntil(server.stdout, "ACCEPT 127.0.0.1:");
    const rest = /ACCEPT 127\.0\.0\.1:\d+\n/.test(said) ? "" : await readUntil(server.stdout, "\n");
    const port = Number(/ACCEPT 127\.0\.0\.1:(\d+)/.exec(said + rest)![1]);
    try {
      await use({ port, authority: join(folder, "ca.pem") });
    } finally {
      await dispose(server);
    }
  });
  return undefined;
}
