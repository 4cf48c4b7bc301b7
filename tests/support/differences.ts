/** Every known difference between the servers, in one place. Each is asserted, so that it is seen to change. */

import type { ServerId } from "./servers.ts";

/** What some servers do otherwise than the protocol wants of ours. */
export interface Difference {
  why: string;
  does: Partial<Record<ServerId, unknown>>;
}

const both = (does: unknown): Difference["does"] => ({ "codex-0.138.0": does, "codex-0.169.0": does });
const old = (does: unknown): Difference["does"] => ({ "codex-0.138.0": does });
const recent = (does: unknown): Difference["does"] => ({ "codex-0.169.0": does });

/** By pipe and by terminal. */
const signalled = (signal: number): Difference => ({
  why: "0.138.0 says -1; both say 1 in a terminal",
  does: { ...old([-1, 1]), ...recent([128 + signal, 1]) },
});

const lastIdWins = "-32601 id 2, stays";

export const differences = {
  "open bind": {
    why: "the peer accepts a bind to all addresses silently",
    does: both(/^ws:\/\/0\.0\.0\.0:\d+$/),
  },
  "foreign host": { why: "the peer does not look at Host", does: both(200) },
  "foreign host upgrade": { why: "the peer does not look at Host", does: both(101) },
  "SIGTERM listener": {
    why: "0.138.0 dies by the signal; 0.169.0 drops the sockets without a close frame",
    does: { ...old({ status: -15, code: 1006 }), ...recent({ status: 0, code: 1006 }) },
  },
  "SIGINT listener": {
    why: "0.138.0 dies by the signal; 0.169.0 drops the sockets without a close frame",
    does: { ...old({ status: -2, code: 1006 }), ...recent({ status: 0, code: 1006 }) },
  },
  "SIGHUP listener": { why: "the peer dies by it", does: both({ status: -1, code: 1006 }) },
  "SIGTERM stdio": {
    why: "0.138.0 dies by the signal; 0.169.0 stays until a line or the end of input",
    does: { ...old(-15), ...recent("lingers") },
  },
  "SIGINT stdio": {
    why: "0.138.0 dies by the signal; 0.169.0 stays until a line or the end of input",
    does: { ...old(-2), ...recent("lingers") },
  },
  "SIGHUP stdio": { why: "the peer dies by it", does: both(-1) },
  "children outlive a signal": {
    why: "who dies by a signal does not end children that ignore SIGTERM",
    does: both(true),
  },
  "frame above 16 MiB": { why: "the peer's limit for one frame", does: both("dropped") },
  "message above 64 MiB": { why: "the peer sends no close frames", does: both("dropped") },
  "broken frame": { why: "the peer sends no close frames", does: both("dropped") },
  "close frame": { why: "the peer sends no close frames", does: both("dropped") },
  "held back answers": {
    why: "the peer does not set TCP_NODELAY, and is often 40 ms late",
    does: both(true),
  },
  "no line limit": { why: "0.138.0 takes lines of any length", does: old(true) },
  "bad id": {
    why: "0.138.0 takes such a request for a notification, and closes",
    does: old("closes"),
  },
  "repeated id": {
    why: "0.138.0 as above; ours lets the last of repeated keys win, as the protocol allows",
    does: { ...old("closes"), bun: lastIdWins, deno: lastIdWins, executable: lastIdWins },
  },
  "repeated key": {
    why: "0.169.0 rejects them, ours need not",
    does: recent("-32600 id -1, stays"),
  },
  "value limit": { why: "0.138.0 has none", does: old("-32601 id 1, stays") },
  "$/ notification": {
    why: "ours ignores what is optional in other JSON-RPC protocols",
    does: both("closes"),
  },
  environmentInfo: { why: "0.138.0 has to be asked", does: old(undefined) },
  "method process/signal": { why: "came after 0.138.0", does: old(false) },
  "method environment/status": { why: "came after 0.138.0", does: old(false) },
  "method process/resize": { why: "ours alone", does: both(false) },
  "location beyond ASCII": {
    why: "the peers leave the header out, and so do not follow it",
    does: both({ name: "content-length", value: "0" }),
  },
  "location with a space": { why: "0.138.0 does not follow it", does: old("GET /to-space") },
  "redirect beyond ASCII": {
    why: "the peers leave the header out, and so do not follow it",
    does: both("GET /beyond HTTP/1.1"),
  },
  "method http/request/cancel": { why: "ours alone", does: both(false) },
  "method process/list": { why: "ours alone", does: both(false) },
  "method process/attach": { why: "ours alone", does: both(false) },
  "method process/detach": { why: "ours alone", does: both(false) },
  "method process/closeStdin": { why: "ours alone", does: both(false) },
  "environment/status": { why: "came after 0.138.0", does: old(undefined) },
  sandboxType: { why: "came after 0.138.0", does: old(undefined) },
  "cwd as path": { why: "0.169.0 takes URIs only", does: recent(-32602) },
  "cwd as URI": { why: "0.138.0 takes paths only, and finds no file of that name", does: old(-32603) },
  "cwd on another host": { why: "0.138.0 as above", does: old(-32603) },
  "relative cwd": { why: "0.138.0 resolves it against its own", does: old(true) },
  "slash in a terminal": { why: "the peer looks such a name up in the PATH there", does: both(-32603) },
  "arg0 in a terminal": { why: "the peer runs arg0 in place of the program", does: both(true) },
  "no PATH in a terminal": { why: "the peer wants a PATH there", does: both(-32603) },
  metadata: { why: "came after 0.138.0", does: old(["CODEX_THREAD_ID=x"]) },
  "metadata checked": { why: "came after 0.138.0", does: old(undefined) },
  "SHELL in a terminal": { why: "the peer adds the login shell", does: both(true) },
  "missing cwd in a terminal": { why: "the peer goes to HOME in silence", does: both(true) },
  "own credentials": {
    why: "the peer hands them on",
    does: both(["CODEX_ACCESS_TOKEN", "CODEX_API_KEY", "CODEX_EXEC_SERVER_CONNECTION_TOKEN"]),
  },
  "stripped names": { why: "0.138.0 strips none", does: old(["CODEX_API_KEY", "NODE_REPL_AUTH_TOKEN"]) },
  "read result": {
    why: "sandboxDenied came after 0.138.0",
    does: old({ exited: false, exitCode: null, closed: false, failure: null }),
  },
  nextSeq: { why: "0.138.0 says the number after the last chunk", does: old(true) },
  "write after the exit": { why: "the peer accepts and drops it", does: both("accepted") },
  "repeated writeId": { why: "0.138.0 does not know it", does: old("a\na\nb\na\nb\nend\n") },
  "no writeId": { why: "0.169.0 demands it", does: recent(-32602) },
  "empty writeId": { why: "0.138.0 does not know it", does: old("accepted") },
  "empty writeId, no process": { why: "0.138.0 does not know it", does: old("unknownProcess") },
  "killed by TERM": signalled(15),
  "killed by KILL": signalled(9),
  "killed by SEGV": signalled(11),
  "killed by USR1": signalled(10),
  "exit code of terminate": signalled(9),
  "exit codes of interrupt": { ...signalled(2), does: { ...old([]), ...recent([130, 1]) } },
  "held up in a terminal": { why: "0.138.0 waits for the grandchild", does: old(true) },
  "signal terminate": { why: "the peer knows interrupt only", does: both(-32602) },
  sandboxDenied: { why: "came after 0.138.0", does: old(undefined) },
  "missing program in a sandbox": {
    why: "0.169.0 answers, and its launcher fails with status 101 and a denial",
    does: recent(undefined),
  },
  "hidden cwd in a sandbox": { why: "0.169.0 starts the program in another folder", does: recent(undefined) },
  "type of no sandbox": {
    why: "0.169.0 names what it did not use",
    does: recent(["linuxSeccomp", "linuxSeccomp"]),
  },
  "protected folder made": { why: "0.169.0 says it is made, and it is not", does: recent("done") },
  "ghost write at the top": { why: "0.169.0 as with processes", does: recent("done") },
  "ghost writes": {
    why: "0.169.0 has a temporary folder in place of what is out of reach: what is written there is lost",
    does: recent("0\n0\n"),
  },
  lostBytes: { why: "the peer does not say what it gave up", does: both(false) },
  attached: { why: "0.138.0 has no code of its own for it", does: old(-32600) },
  "environment/info": { why: "0.138.0 says the shell only", does: old(true) },
  "order behind a poll": {
    why: "the peer takes one request at a time",
    does: both(["poll", "info", "end"]),
  },
  "redirectPolicy checked": { why: "0.138.0 does not know it", does: old(undefined) },
  CONNECT: { why: "the peer opens a tunnel and gives its answer", does: both(undefined) },
  "10000 headers": { why: "the peer takes 100", does: both(-32603) },
  "referer to another origin": { why: "0.138.0 tells it the whole URL", does: old(false) },
  "host of another origin": {
    why: "the peer sends on a Host that was meant for the first",
    does: both(true),
  },
  "too many redirects": { why: "0.138.0 has other words", does: old("other words") },
  redirectPolicy: { why: "0.138.0 does not know it", does: old([200, "ok"]) },
  kind: { why: "the peer does not say", does: both(undefined) },
  "type after 303 to HEAD": {
    why: "the peer drops what describes a body, though there was none",
    does: both(false),
  },
  "exit code of terminate, one": { why: "0.138.0 says -1", does: old(-1) },
  "fs: reading a directory": { why: "0.138.0 leaves it to the system", does: old("-32603 os 21") },
  "fs: size": { why: "came after 0.138.0", does: old(undefined) },
  "fs: birth": { why: "the peer cannot tell when a file was made", does: both(false) },
  "fs: mode": { why: "ours alone", does: both(undefined) },
  "fs: copied onto itself": { why: "the peer empties the file first", does: both("") },
  "fs: copied where the mode may not be": { why: "the peer empties the file first", does: both("") },
  "fs: native path": { why: "0.169.0 takes URIs only", does: recent(-32602) },
  "fs: URI": { why: "0.138.0 takes native paths only", does: old(-32602) },
  "fs: native answer": { why: "0.169.0 takes URIs only", does: recent(-32602) },
  "fs: URI answer": { why: "0.138.0 takes native paths only", does: old(-32602) },
  "fs: NUL": { why: "0.169.0 takes URIs only", does: recent(-32602) },
  "fs: fileNameBase64": { why: "ours alone", does: both(undefined) },
  "fs: walk of odd names": { why: "the peer passes over them", does: recent([]) },
  "fs: after a failed read": {
    why: "the peer closes the handle",
    does: recent("-32004 unknown file handle `h`"),
  },
  "fs: a directory that cannot be searched": {
    why: "0.138.0 leaves out what it cannot look at",
    does: old(0),
  },
  "fs: no limit of entries": { why: "0.138.0 has none", does: old(50_001) },
  "fs: one frame": { why: "the peer sends every answer in one, whatever its length", does: both(false) },
  "fs: open": {
    why: "ours tells the size as well",
    does: Object.fromEntries(["bun", "deno", "executable"].map((id) => [id, { handleId: "h", size: 5 }])),
  },
  "fs: relative path": {
    why: "each in the words of its reader of paths",
    does: {
      ...old("-32602 AbsolutePathBuf deserialized without a base path"),
      ...recent("-32602 invalid URI: relative URL without a base"),
    },
  },
  "fs: URI of a host": {
    why: "in the words of another reader of URIs",
    does: recent("-32602 invalid URI: invalid international domain name"),
  },
  "fs: reading a socket": {
    why: "the peer tries; nobody can open one, so ours says what it says of a FIFO",
    does: both("-32603 os 6"),
  },
  "fs: reading a device": { why: "0.138.0 reads whatever it can open", does: old({ dataBase64: "" }) },
  "fs: members of metadata": {
    why: "size came after 0.138.0, mode and owner are ours alone",
    does: {
      ...old(["createdAtMs", "isDirectory", "isFile", "isSymlink", "modifiedAtMs"]),
      ...recent(["createdAtMs", "isDirectory", "isFile", "isSymlink", "modifiedAtMs", "size"]),
    },
  },
  "fs: time of birth": { why: "the peer asks musl, which does not tell", does: both(0) },
  "fs: walk counts links to nothing": {
    why: "0.169.0 looks where each link leads, ours does not, as that may be a disk that never answers",
    does: recent(["e/4"]),
  },
  "fs: walk of what cannot be searched": { why: "0.169.0 looks at each entry", does: recent(2) },
} as const satisfies Record<string, Difference>;
