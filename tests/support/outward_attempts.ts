/** Ways to other processes and out to the network, and beside each what must go on working. Both mechanisms are tried with them. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Attempt } from "./attempt.ts";
import { INHERITED_FD } from "./confined_server.ts";
import { isAlive } from "./proc.ts";
import type { RawProcess } from "./raw_process.ts";

/** What a program may not do to others, with bubblewrap and without. */
export function otherAttempts(get: () => Attempt, sandbox: (a: Attempt) => object): void {
  test("no signal reaches a process outside, one inside does", async () => {
    const a = get();
    const victim = await a.free("echo $$; exec sleep 1000");
    await victim.says("\n");
    const pid = Number.parseInt(victim.text, 10);
    const told = await a.run(
      `kill -KILL ${pid} && echo sent; kill -KILL -- -${pid} && echo sent; sleep 100 & kill -TERM $! && wait $!; echo $?`,
      sandbox(a),
    );
    expect(told.stdout).toBe("143\n");
    expect(isAlive(pid)).toBe(true);
  });

  test("no signal by a descriptor, a queue or as the owner of input reaches a process outside, an own child gets each", async () => {
    if (process.arch !== "x64") return;
    const a = get();
    const victim = await a.free("echo $$; exec sleep 1000");
    await victim.says("\n");
    const pid = Number.parseInt(victim.text, 10);
    // tgkill, rt_sigqueueinfo, pidfd_send_signal, and F_SETOWN with O_ASYNC, whose SIGIO ends who does not mind it.
    const told = await a.run(
      `perl -e '$| = 1; my $info = pack("iiix112", 15, 0, -1);
         my @ways = (
           sub { syscall(234, $_[0], $_[0], 15) },
           sub { syscall(129, $_[0], 15, $info) },
           sub { my $fd = syscall(434, $_[0], 0); $fd < 0 ? -1 : syscall(424, $fd, 15, 0, 0) },
           sub { pipe(my $r, my $w); fcntl($r, 8, $_[0]); fcntl($r, 4, 020000); syswrite($w, "x"); 0 });
         for my $way (@ways) { $way->(${pid}) }
         for my $way (@ways) { my $child = fork; if (!$child) { sleep 100; exit 1 } $way->($child); waitpid($child, 0); print $? & 127, " " }'`,
      sandbox(a),
    );
    expect(told.stdout).toBe("15 15 15 29 ");
    expect(isAlive(pid)).toBe(true);
  });

  test("no process outside can be traced, read or limited", async () => {
    const a = get();
    const victim = await a.free("echo $$; exec sleep 1000");
    await victim.says("\n");
    const pid = Number.parseInt(victim.text, 10);
    const told = await a.run(
      `perl -e 'for my $try ([101, 16, ${pid}, 0, 0], [101, 0, 0, 0, 0], [310, ${pid}, 0, 0, 0, 0, 0], [438, -1, 0, 0], [302, ${pid}, 7, 0, 0]) {
         my $r = syscall($try->[0], @$try[1..$#$try]); print $r < 0 ? "refused " : "done "; }'
       cat /proc/${pid}/environ; cat /proc/${pid}/mem; (echo x > /proc/${pid}/oom_score_adj) && echo wrote; ls /proc/${pid}/root/ && echo listed`,
      sandbox(a),
    );
    expect(told.stdout).toBe(
      process.arch === "x64" ? "refused refused refused refused refused " : told.stdout,
    );
  });

  test("an own child cannot be traced either, but waited for, stopped and looked at", async () => {
    if (process.arch !== "x64") return;
    const told = await get().run(
      `perl -MPOSIX=:sys_wait_h -e '$| = 1; my $child = fork;
         if (!$child) { print syscall(101, 0, 0, 0, 0) < 0 ? "untraced " : "traced "; kill "STOP", $$; exit 7 }
         waitpid($child, WUNTRACED); print WIFSTOPPED(\${^CHILD_ERROR_NATIVE}) ? "stopped " : "gone ";
         for my $request (16, 0x4206) { print syscall(101, $request, $child, 0, 0) < 0 && $!{EPERM} ? "EPERM " : "attached " }
         open(F, "<", "/proc/$child/status") and print grep(/^State:\\tT/, <F>) ? "seen " : "odd ";
         open(F, "<", "/proc/$child/environ") and print <F> =~ /PATH=/ ? "read " : "odd ";
         kill "CONT", $child; waitpid($child, 0); print $? >> 8'`,
      sandbox(get()),
    );
    expect(told.stdout).toBe("untraced stopped EPERM EPERM seen read 7");
  });

  test("a program that would use io_uring is told that it may not, and reads and waits by plain calls", async () => {
    if (process.arch !== "x64") return;
    const a = get();
    // io_uring_setup; then io_setup of the older interface, and epoll.
    const told = await a.run(
      `perl -e 'my ($params, $ring, $text, $event) = ("\\0" x 120, 0, "", pack("LQ", 1, 5) . "\\0" x 12);
         print syscall(425, 8, $params) < 0 && $!{EPERM} ? "EPERM " : "a ring ";
         open(F, "<", "${a.victim}"); sysread(F, $text, 99); print $text;
         my $context = "\\0" x 8; print syscall(206, 1, $context) == 0 ? " queue" : " none";
         my $epoll = syscall(291, 0); pipe(R, W); syscall(233, $epoll, 1, fileno(R), $event); syswrite(W, "x");
         print " ", syscall(232, $epoll, $event, 1, 1000)'`,
      sandbox(a),
    );
    expect(told.stdout).toBe("EPERM safe queue 1");
  });

  test("a descriptor that was left to the server does not reach the program, its own reach its children", async () => {
    const a = get();
    const told = await a.run(
      `(echo x >&${INHERITED_FD}) 2>&- && echo wrote; ls /proc/self/fd | tr '\n' ' '; exec 7<${a.victim}; sh -c 'cat <&7'`,
      sandbox(a),
    );
    expect(told.stdout).toBe("0 1 2 3 safe");
    expect(readFileSync(a.server.inherited, "utf8")).toBe("");
  });

  test("io_uring, keys and programs in the kernel are refused by the filter", async () => {
    const a = get();
    const told = await a.run(
      `perl -e 'use Errno; for my $n (425, 426, 427, 321, 298, 323, 248, 250) { syscall($n, 0, 0, 0, 0, 0, 0); print $!{EPERM} ? "EPERM " : "$! "; }'
       perl -e 'my $c = "x"; ioctl(STDIN, 0x5412, $c); print $!{EPERM} ? "EPERM" : "$!"'`,
      sandbox(a),
    );
    if (process.arch === "x64") expect(told.stdout).toBe(`${"EPERM ".repeat(8)}EPERM`);
  });
}

/** Ways to reach somebody, with what each did. Addresses are those of {@link listeners}. */
export const reach = (port: number, socket: string, datagrams: string): string => `
  perl -MSocket -e '
    $| = 1; $SIG{PIPE} = "IGNORE";
    sub told { print shift, $_[0] ? "done " : $!{EPERM} ? "EPERM " : "error "; }
    told("tcp:", socket($s0, PF_INET, SOCK_STREAM, 0) && connect($s0, sockaddr_in(${port}, INADDR_LOOPBACK)));
    told("tcp6:", socket($s1, PF_INET6, SOCK_STREAM, 0));
    told("udp:", socket($s2, PF_INET, SOCK_DGRAM, 0) && send($s2, "x", 0, sockaddr_in(${port}, INADDR_LOOPBACK)));
    told("raw:", socket($s3, PF_INET, SOCK_RAW, 1));
    told("netlink:", socket($s4, 16, SOCK_RAW, 0));
    told("vsock:", socket($s5, 40, SOCK_STREAM, 0));
    told("unix:", socket($s6, PF_UNIX, SOCK_STREAM, 0) && connect($s6, sockaddr_un("${socket}")));
    told("abstract:", socket($s7, PF_UNIX, SOCK_STREAM, 0) && connect($s7, sockaddr_un("\\0${socket}")));
    told("datagram:", socket($s8, PF_UNIX, SOCK_DGRAM, 0) && send($s8, "x", 0, sockaddr_un("${datagrams}")));
    told("pair:", socketpair($s9, $t9, PF_UNIX, SOCK_DGRAM, 0) && send($s9, "x", 0, sockaddr_un("${datagrams}")));
    told("listen:", socket($s10, PF_UNIX, SOCK_STREAM, 0) && bind($s10, sockaddr_un("here")));
    told("own:", socketpair($s11, $t11, PF_UNIX, SOCK_STREAM, 0) && send($s11, "x", 0) && shutdown($s11, 1));
  '; ls -l /proc/self/fd | grep -c socket`;

/** Somebody at each address; what came is in `seen`. */
export async function listeners(
  a: Attempt,
): Promise<{ port: number; socket: string; datagrams: string; seen: string[]; free: RawProcess }> {
  const socket = join(a.outside, "s");
  const datagrams = join(a.outside, "d");
  const seen: string[] = [];
  const tcp = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(connection) {
        seen.push("tcp");
        connection.end();
      },
      data() {},
    },
  });
  const free = await a.free(
    `perl -MSocket -e '$| = 1; socket(S, PF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un("${datagrams}")); print "ready\\n"; recv(S, $_, 9, 0); print "got\\n"; sleep 1000' &
     perl -MSocket -e '$| = 1; for ("${socket}", "\\0${socket}") { socket($_[$i++], PF_UNIX, SOCK_STREAM, 0); bind($_[$i-1], sockaddr_un($_)); listen($_[$i-1], 5) } print "ready\\n"; accept(T, $_[0]); print "got\\n"; sleep 1000' & wait`,
  );
  await free.client.until(() => free.text.split("ready").length === 3, 5000, "listeners");
  return { port: tcp.port, socket, datagrams, seen, free };
}

/** The ways out of the network, under a policy without it. */
export function networkAttempts(get: () => Attempt, sandbox: (a: Attempt) => object): void {
  test("nobody is reached by TCP, UDP, a local socket or an inherited descriptor; pairs work", async () => {
    const a = get();
    const { port, socket, datagrams, seen, free } = await listeners(a);
    const told = await a.run(reach(port, socket, datagrams), sandbox(a));
    const refused = [
      "tcp",
      "tcp6",
      "udp",
      "raw",
      "netlink",
      "vsock",
      "unix",
      "abstract",
      "datagram",
      "pair",
      "listen",
    ];
    expect(told.stdout).toBe(`${refused.map((name) => `${name}:EPERM `).join("")}own:done 0\n`);
    expect(seen).toEqual([]);
    expect(free.text).not.toContain("got");
  });
}
