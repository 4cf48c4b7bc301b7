/** Everything that is measured, in the order of the table. A new family is a file in families/ and a line here. */

import { connections } from "./families/connections.ts";
import { crowds } from "./families/crowds.ts";
import { files, hugeFiles } from "./families/files.ts";
import { http } from "./families/http.ts";
import { input, stdioInput } from "./families/input.ts";
import { pipes, stdioPipes } from "./families/pipes.ts";
import { processes, stdioProcesses } from "./families/processes.ts";
import { metadataRequests, requests, stdioRequests } from "./families/requests.ts";
import { sandbox } from "./families/sandbox.ts";
import { startup } from "./families/startup.ts";
import { stdioTerminals, terminals } from "./families/terminals.ts";
import { waiting } from "./families/waiting.ts";
import type { Family } from "./figure.ts";

export const families: readonly Family[] = [
  startup,
  connections,
  requests,
  metadataRequests,
  processes,
  pipes,
  terminals,
  input,
  files,
  hugeFiles,
  http,
  sandbox,
  ...crowds,
  ...waiting,
  stdioRequests,
  stdioProcesses,
  stdioPipes,
  stdioTerminals,
  stdioInput,
];
