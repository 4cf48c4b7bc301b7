/**
 * What we want to reach: ours divided by the real server, in the same run. At most that where lower is better, at least
 * that where higher is. A figure that is not named here must be at least as good, which is 1.
 */

export const goals: Readonly<Record<string, number>> = {
  "pty.echo_p50_us": 0.01,
  "pty.echo_p99_us": 0.01,
  "true.seq_per_s": 15,
  "true.par16_per_s": 4,
  "status.p50_us": 0.5,
  "info.p50_us": 0.5,
  "meta.p50_us": 0.5,
  "status.pipe64_per_s": 3,
  "info.pipe64_per_s": 3,
  "meta.pipe64_per_s": 3,
  "conn.seq_per_s": 3,
  "conn.par16_per_s": 3,
  "pipe.one_MBps": 2,
  "pipe.lines_MBps": 2,
  "pipe.linebuf_MBps": 2,
  "pipe.eight_MBps": 2,
  "pty.out_MBps": 1.2,
  "stdin.write_MBps": 2,
  "fs.read64M_MBps": 4,
  "fs.base64_64M_MBps": 4,
  "fs.block64M_MBps": 2,
  "fs.blockup64M_MBps": 2,
  "fs.raw64M_MBps": 2,
  "fs.rawup64M_MBps": 2,
  "fs.raw1G_MBps": 2,
  "fs.rawup1G_MBps": 2,
  "thousand.start_ms": 0.4,
  "poll.behind_us": 0.01,
  "status.cpu_us": 0.7,
  "status.one_cpu_us": 0.7,
  "info.one_cpu_us": 0.7,
  "meta.one_cpu_us": 0.7,
  "info.cpu_us": 0.7,
  "meta.cpu_us": 0.7,
  "pipe.one_cpu_s_per_GB": 0.7,
  "pty.out_cpu_s_per_GB": 0.7,
  "stdin.cpu_s_per_GB": 0.7,
};

/** The ratio wanted. */
export function goalOf(id: string): number {
  return goals[id] ?? 1;
}

/** Whether a ratio is as good as wanted. */
export function isMet(id: string, better: "lower" | "higher", ratio: number): boolean {
  return better === "lower" ? ratio <= goalOf(id) : ratio >= goalOf(id);
}
