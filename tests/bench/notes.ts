/** Why a goal is out of reach or a figure needs a word; told where the goal is not met. By the beginning of the id. */

const notes: readonly (readonly [prefix: string, note: string])[] = [
  [
    "start.listen_ms",
    "the control, an empty compiled program that listens, needs what its column says before any code of ours is loaded",
  ],
  [
    "conn.",
    "three times the real server is near or above what the control reaches, which answers without reading: accept, two reads, two writes and close of a Bun server; ours adds about 30 us of code that runs in the interpreter",
  ],
  [
    "status.p99_us",
    "a third of the slowest hundredth are among the first 500 of 5,000 requests, while the engine compiles the path for the last time; two or three collections of a millisecond are the slowest of all. The control has both too",
  ],
  [
    "meta.p99_us",
    "a third to two thirds of the slowest hundredth are among the first 500 of 5,000 requests, while the engine compiles the path for the last time; without the optimizing compilers p99 was 170 us in place of 240, and p50 51 in place of 33",
  ],
  [
    "peak.connections_MB",
    "the engine has 46 MB of it, see the control; sessions without a connection wait for their clients for 80 s, as the real server's do",
  ],
  ["start.rss_MB", "most of it are the pages of the executable, which is the engine: see the control"],
  [
    "fs.raw64M_MBps",
    "a server that sends the same bytes again and again from memory reaches 900 to 1400 MB/s with this client: socket and client are the limit, and the CPU of the server is a third of the real one's",
  ],
  [
    "fs.raw1G_MBps",
    "a server that sends the same bytes again and again from memory reaches 900 to 1400 MB/s with this client: socket and client are the limit, and the CPU of the server is a third of the real one's",
  ],
  [
    "fs.read64M_MBps",
    "the whole file is in memory before the first byte goes out; blocks, which our client uses for large files, are faster",
  ],
  ["peak.files_MB", "of files that are read whole, and of what the collector has not yet given back"],
  ["peak.huge-files_MB", "the engine itself has about 45 MB; blocks are not kept, but given back late"],
];

export function noteOn(id: string): string | undefined {
  return notes.find(([prefix]) => id.startsWith(prefix))?.[1];
}
