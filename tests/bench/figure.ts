/** What a benchmark is made of: figures, the cases that measure them, and families of cases that share a server. */

import type { Link } from "./link.ts";
import type { ServerProcess } from "./server_process.ts";

/** One line of the table. */
export interface Figure {
  /** `pipe.blocks`: stable, for `--only`, goals and JSON. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
}

/** Figures that are taken in one go. */
export interface Case {
  readonly figures: readonly Figure[];
  /** Also asked of the control, which shows what the client and the runtime allow. */
  readonly control?: boolean;
  /** How long it may take before it counts as hanging. Milliseconds. */
  readonly deadlineMs?: number;
  /** One value for each figure, in their order. */
  run(bench: Bench): Promise<readonly number[]>;
}

/** Cases that are run one after the other on one server. CPU time and peak memory of the server are told by family. */
export interface Family {
  readonly name: string;
  /** What its part of the table is called. */
  readonly title: string;
  readonly transport: "websocket" | "stdio";
  /** What our server must answer; without, the family is left out with a reason. */
  readonly methods?: readonly string[];
  /** Programs that must be on the PATH. */
  readonly programs?: readonly string[];
  /** A single case is about the start of the server, and starts its own. */
  readonly ownServers?: boolean;
  /** The slower of two servers is asked for less: what they need in all cannot be compared, only what they need for each. */
  readonly byTime?: boolean;
  readonly cases: readonly Case[];
}

/** What a case is given. */
export interface Bench {
  readonly quick: boolean;
  /** Whether the control is measured. */
  readonly isControl: boolean;
  readonly server: ServerProcess;
  /** A connection of the family, with the handshake done. */
  readonly link: Link;
  /** One more; only over websocket. */
  open(): Promise<Link>;
  /** An empty folder for this server's run, removed afterwards. */
  readonly folder: string;
  /** The same in memory, where the system has a file system of that kind. */
  readonly memory: string;
  /** One more server. */
  launch(transport: "websocket" | "stdio"): ServerProcess;
  /** A count or size for this run: the given one, or a part of it when the run is quick. */
  size(full: number): number;
}

export function figure(id: string, title: string, unit: string, better: "lower" | "higher"): Figure {
  return { id, title, unit, better };
}
