/** Whom to trust besides the authorities that the runtime knows. */

import { nodeFs, nodeTls } from "../runtime/node_modules.ts";
import { HttpFailure } from "./failure.ts";

type Variables = Readonly<Record<string, string | undefined>>;

let loaded: { path: string; authorities: string[] } | undefined;

/**
 * All authorities, when the environment names a file with more; undefined for the runtime's own. The file is read again
 * at the next request when it could not be read.
 * @throws {HttpFailure} `tls`: the file cannot be read or has no certificate.
 */
export function authorities(env: Variables): string[] | undefined {
  const variable = env.CODEX_CA_CERTIFICATE ? "CODEX_CA_CERTIFICATE" : "SSL_CERT_FILE";
  const path = env[variable];
  if (!path) return undefined;
  if (loaded?.path === path) return loaded.authorities;
  let text: string;
  try {
    text = nodeFs().readFileSync(path, "latin1");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new HttpFailure("tls", `cannot read the certificates of ${variable} in "${path}": ${code}`);
  }
  const found = text.match(
    /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g,
  );
  if (!found)
    throw new HttpFailure("tls", `${variable} names "${path}", which has no certificate in it: expected PEM`);
  loaded = { path, authorities: [...nodeTls().rootCertificates, ...found] };
  return loaded.authorities;
}
