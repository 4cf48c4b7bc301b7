/** A certificate for `localhost` and 127.0.0.1, and the authority that signed it. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificates {
  key: string;
  certificate: string;
  /** The authority as PEM. */
  authority: string;
  /** A file with it. */
  authorityFile: string;
  remove(): void;
}

const script = `set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj "/CN=Test authority"
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj "/CN=localhost"
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem`;

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-certificates-"));
  const made = Bun.spawnSync(["sh", "-c", script], { cwd: folder, stderr: "pipe" });
  if (made.exitCode !== 0) throw new Error(`openssl: ${made.stderr.toString()}`);
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  return {
    key: read("key.pem"),
    certificate: read("cert.pem"),
    authority: read("ca.pem"),
    authorityFile: join(folder, "ca.pem"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
