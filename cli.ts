#!/usr/bin/env bun
/** The program. */

import process from "node:process";
import { main } from "./lib/cli/main.ts";

// Nothing is left to wait for: what a command opened it has closed, or gives up.
process.exit(await main(process.argv.slice(2)));
