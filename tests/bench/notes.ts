/** Why a goal is out of reach or a figure needs a word; told where the goal is not met. By the beginning of the id. */

const staysAwake =
  "ours is awake between them, as it expects the next one: so it is busy for as long as a request takes, client and all. The control, which sleeps, needs as much to fall asleep and to wake up, and its requests take twice as long";
const slowestKeys =
  "of the keys that take longer than 0.7 ms nearly all find a thread that compiles for the engine, of client or server, on the processor that the system has chosen for the terminal's own work or for the program (the system's switches traced); the other one is free meanwhile. With less weight for those threads (SCHED_IDLE) they compile for longer and it gets worse; with shorter turns for all of ours (a slice of 0.1 ms) it is a seventh less, within what runs differ by. Of a C program that holds the terminal itself one key in a hundred takes 0.12 to 0.37 ms on such a machine, one in a thousand 0.6 to 1 ms: it waits for one wake-up where ours and a client wait for four";

const notes: readonly (readonly [prefix: string, note: string])[] = [
  [
    "start.listen_ms",
    "the control, an empty compiled program that listens, needs what its column says before any code of ours is loaded",
  ],
  [
    "start.stdio_ms",
    "more than half of it is the engine, see the control; then to load 60 modules from bytecode, the flags, to open stdin, stdout and a session, and what is told of the machine take a tenth each. Without bytecode a start takes more than twice as long",
  ],
  ["status.one_cpu_us", staysAwake],
  ["info.one_cpu_us", staysAwake],
  ["meta.one_cpu_us", staysAwake],
  [
    "meta.p50_us",
    "in some rounds 30 us, in others 45: where an answer comes a few microseconds later, the client's processor has begun to sleep, and takes 12 us to wake up",
  ],
  [
    "cpu.thousand_s",
    "most of it are the system's calls that start and end a process; ours has a pidfd for each besides, and a line in the journal of the guard, which ends them should the server be killed",
  ],
  [
    "conn.",
    "the system's own work is the limit: a C program that accepts, answers from constants and closes gets 5,700 connections a second from this client one by one and 17,000 at 16 at once, on a machine on which the real server gets 4,300 and 11,500, an empty Bun server 7,000 and 22,000",
  ],
  [
    "peak.connections_MB",
    "the engine has 46 MB of it, see the control; sessions without a connection wait for their clients for 80 s, as the real server's do",
  ],
  ["start.rss_MB", "most of it are the pages of the executable, which is the engine: see the control"],
  [
    "ends.",
    "ours looks twice at all processes for those that this one has started, wherever they are: 1.6 ms at 1,000 processes once that is compiled, which takes some hundred ends, and two to three times as much before, with a turn for others after each millisecond; the real server signals the group",
  ],
  [
    "fs.raw",
    "socket and page cache are most of what is left of the server's CPU (tests/bench/file_limits.ts has what they need at least), and the client's share is the same for both servers",
  ],
  [
    "fs.block64M_MBps",
    "the bytes go through the socket as base64, a third more; the client's share, and that of socket and page cache, is the same for both",
  ],
  [
    "fs.blockup64M_MBps",
    "receiving, base64 and page cache are nearly all of the CPU (tests/bench/file_limits.ts): socket and file are the system's and the same for both, and where other programs want the processors, so is the client's share",
  ],
  [
    "fs.remove2000_ms",
    "nearly all of it are the system's calls, which are the same for both: a C program that makes them and nothing else takes 7.7 ms on such a machine, the real server 8.3 and ours 8.8 in the same minute; the ratio is between 0.95 and 1.07 from run to run",
  ],
  [
    "pipe.linebuf_MBps",
    "the program that writes is the limit: with its lines going to /dev/null it makes 280 MB/s on such a machine, and 195 to a C program that only looks into a larger pipe once a millisecond, where the real server gets 122 and ours 150; in another state of the machine 185 and 109 to 125, where the real server gets 64 to 84 and ours 104",
  ],
  ["pty.echo_p99_us", slowestKeys],
  ["stdio.pty.echo_p99_us", slowestKeys],
  [
    "pty.out_MBps",
    "a C program that reads the terminal in the same way and does nothing with it, without a client beside it, gets 110 to 130 MB/s; ours has had 76 to 123 and the real server 60 to 112, by the state of the machine. In six alternating runs it was 123 by 2 KiB at a time, 106 by 768 bytes and 105 by 4 KiB. On another machine, an Intel one of two processors, that C program gets 51 to 87 MB/s by 2 KiB and 46 to 159 by 4 KiB, from one run to the next: most of its time goes into waking the worker of the system that hands a terminal's output on (sampled with perf), and both servers get 54 there",
  ],
  [
    "pty.out_cpu_s_per_GB",
    "a C program that reads the terminal in the same way and does nothing with it takes 4.3 to 5 s, and on the Intel machine 4.4 to 8.6: the system copies terminals 64 bytes at a time",
  ],
  [
    "cpu.poll_s",
    "what a start costs, and little else: the engine's is more than the real server's, see the control in the first table",
  ],
  [
    "start.",
    "the control, an empty compiled program that answers and starts nothing, needs what its column says; what serves a request is loaded after the first handshake",
  ],
  [
    "stdin.",
    "beside the real server in ten alternating rounds it was 1.7 to 1.95 times as fast, and as fast in the first 64 MB after a start, while both compilers work. Half of the server's CPU are the system's reads from the socket and writes to the pipe, which are the same for both servers (25 of 58 us for 64 KB at 1,000 MB/s, sampled with perf); a fifth is the engine's compiler, in the first second and a half; base64, with the mask that is taken off in the same pass, was 24 us and is 10. The same executable twice in one run has differed by 30 %: client, server and the program that reads share two processors. Keeping what is called once for each piece from the last compiler costs a fifth of the rate; vmsplice, which saves a copy, would let a reader that keeps the pages see later input in the place of earlier",
  ],
  [
    "slow.peak_MB",
    "the engine and its compiled code are 65 MB of it, 4 MiB are what the process retains, 1 MiB waits for the reader; an empty program of the engine that sends as much has 46 to 55",
  ],
  [
    "slow.other_max_us",
    "of some 1,300 requests the two or three that meet a collection of the engine, of 1.5 to 4 ms: one while the flood is read for the first time, one when the engine looks after its memory a second later (sampled with perf). The others are below 1.3 ms, the longest that one source may be read before everybody else has a turn",
  ],
  ["peak.files_MB", "of files that are read whole, and of what the collector has not yet given back"],
  [
    "peak.huge-files_MB",
    "the engine itself has about 45 MB, blocks on their way 5; the rest are code that was compiled and what the collector has not yet given back",
  ],
  [
    "http.small_p99_us",
    "one in a hundred meets a compilation, or a thread of the engine on the processor that client, origin or server would need while the other one idles: with the system's switches traced, those were all of the ten slowest. In 5,000 requests the server's engine compiled about 150 functions, 34 ms for the first optimizing compiler and 40 ms for the second, and all but four once, so no code falls back and is compiled again and again; requests above 1 ms come in groups up to the 5,000th, without the optimizing compilers too",
  ],
  [
    "peak.pipes_MB",
    "each of the twelve processes of this family retains 4 MiB of its output for 80 s after its end, the real server 1 MiB: 38 MB more; all that is retained of closed processes is 64 MiB at most",
  ],
  [
    "peak.stdio-pipes_MB",
    "as over websocket, most of it is the output of twelve processes that is retained: 4 MiB of each, of the real server 1 MiB",
  ],
  [
    "peak.",
    "the engine: an empty program of it, the control, reaches 46 MB with connections and 57 MB with small requests; ours has 10 MB of code and data besides, and the rest is what the collector has not yet given back",
  ],
];

export function noteOn(id: string): string | undefined {
  return notes.find(([prefix]) => id.startsWith(prefix))?.[1];
}
