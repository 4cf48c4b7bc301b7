/** What `lib/runtime` promises, as cases that run on every runtime. */

import { awakeCases } from "./awake_cases.ts";
import { inputCases } from "./input_cases.ts";
import { outputCases } from "./output_cases.ts";
import { spawnCases } from "./spawn_cases.ts";
import { stdioCases } from "./stdio_cases.ts";
import type { Case } from "./support.ts";
import { tcpCases } from "./tcp_cases.ts";
import { terminalCases } from "./terminal_cases.ts";
import { tlsCases } from "./tls_cases.ts";

export { type Case, runCase } from "./support.ts";

export const cases: readonly Case[] = [
  ...outputCases,
  ...inputCases,
  ...spawnCases,
  ...terminalCases,
  ...stdioCases,
  ...tcpCases,
  ...awakeCases,
  ...tlsCases,
];
