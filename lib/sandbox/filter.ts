/** The filter of system calls (seccomp) that every confined program runs under: a program of the kernel's small machine. */

import { type Architecture, auditArch, type CallName, callNumber } from "./system_calls.ts";

/** What the filter is for. */
export interface FilterOptions {
  architecture: Architecture;
  /** False: no socket but pairs and unnamed local streams, no way to reach or be reached by name. */
  network: boolean;
  /**
   * True where the kernel's file rules (Landlock) stand in for namespaces: they do not cover owners, modes, times,
   * attributes and shared memory, which are then refused everywhere.
   */
  withoutNamespaces: boolean;
  /** Other processes can be named: their limits are not to be touched. */
  ownLimitsOnly?: boolean;
  /** Calls that make names wait for a guard's answer; with `removals` those that take names away do too. */
  names?: "made" | "removals" | undefined;
}

/** Read or change other programs, or go past this filter. */
const always: readonly CallName[] = [
  "ptrace",
  "process_vm_readv",
  "process_vm_writev",
  "process_madvise",
  "pidfd_getfd",
  "kcmp",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
  "bpf",
  "perf_event_open",
  "userfaultfd",
  "add_key",
  "request_key",
  "keyctl",
  "kexec_load",
  "kexec_file_load",
  "open_by_handle_at",
];

const network: readonly CallName[] = ["connect", "bind", "listen", "accept", "accept4"];

const withoutNamespaces: readonly CallName[] = [
  "chmod",
  "fchmod",
  "fchmodat",
  "fchmodat2",
  "chown",
  "fchown",
  "lchown",
  "fchownat",
  "utime",
  "utimes",
  "futimesat",
  "utimensat",
  "setxattr",
  "lsetxattr",
  "fsetxattr",
  "removexattr",
  "lremovexattr",
  "fremovexattr",
  "setxattrat",
  "removexattrat",
  "file_setattr",
  "shmget",
  "shmat",
  "shmctl",
  "semget",
  "semop",
  "semtimedop",
  "semctl",
  "msgget",
  "msgsnd",
  "msgrcv",
  "msgctl",
  "mq_open",
  "mq_unlink",
  "setpriority",
  "sched_setscheduler",
  "sched_setparam",
  "sched_setattr",
  "sched_setaffinity",
  "ioprio_set",
  "migrate_pages",
  "move_pages",
];

/** How each makes names. Those that open do so with `O_CREAT` only; `openat2` tells it in memory. */
const makesNames: readonly CallName[] = [
  "creat",
  "openat2",
  "mkdir",
  "mkdirat",
  "mknod",
  "mknodat",
  "symlink",
  "symlinkat",
  "link",
  "linkat",
  "rename",
  "renameat",
  "renameat2",
];
const opens = [
  ["open", 1],
  ["openat", 2],
] as const;
const removesNames: readonly CallName[] = ["unlink", "unlinkat"];

const O_CREAT = 0x40;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
/** The flags of a socket's type lie above. */
const SOCK_TYPE_MASK = 0xf;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC_FSSETXATTR = 0x401c5820;

const LOAD = 0x20;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
/** Waits until whoever has the listener answers. */
const ASK = 0x7fc00000;
const EPERM = 0x00050001;
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
/** The low half of an argument; both architectures are little-endian. */
const argumentAt = (index: number): number => 16 + 8 * index;
/** On x86-64 the numbers of another calling convention begin here. */
const X32_BIT = 0x40000000;

/** The filter as the kernel takes it: 8 bytes an instruction. */
export function filterProgram(options: FilterOptions): Uint8Array {
  const program = new Program();
  const { architecture } = options;
  const number = (name: CallName): number | undefined => callNumber(architecture, name);
  program.add(LOAD, ARCHITECTURE_AT);
  program.add(JUMP_EQUAL, auditArch[architecture], 1, 0);
  program.add(RETURN, KILL);
  program.add(LOAD, NUMBER_AT);
  if (architecture === "x64") program.refuseFrom(X32_BIT);
  const refused = [
    ...always,
    ...(options.network ? [] : network),
    ...(options.withoutNamespaces ? withoutNamespaces : []),
  ];
  for (const name of refused) program.refuse(number(name));
  if (!options.network) {
    // A datagram socket could name a receiver with each message, which no filter sees.
    for (const name of ["socket", "socketpair"] as const) {
      program.block(number(name), [
        [LOAD, argumentAt(0)],
        [JUMP_EQUAL, AF_UNIX, 1, 0],
        [RETURN, EPERM],
        [LOAD, argumentAt(1)],
        [AND, SOCK_TYPE_MASK],
        [JUMP_EQUAL, SOCK_STREAM, 2, 0],
        [JUMP_EQUAL, SOCK_SEQPACKET, 1, 0],
        [RETURN, EPERM],
        [RETURN, ALLOW],
      ]);
    }
  }
  if (options.names) {
    for (const name of makesNames) program.block(number(name), [[RETURN, ASK]]);
    for (const [name, flags] of opens) {
      program.block(number(name), [
        [LOAD, argumentAt(flags)],
        [JUMP_ANY_BIT, O_CREAT, 0, 1],
        [RETURN, ASK],
        [RETURN, ALLOW],
      ]);
    }
    if (options.names === "removals") {
      for (const name of removesNames) program.block(number(name), [[RETURN, ASK]]);
    }
  }
  if (options.ownLimitsOnly) {
    // A program may see and set its own limits, but not another's.
    program.block(number("prlimit64"), [
      [LOAD, argumentAt(0)],
      [JUMP_EQUAL, 0, 1, 0],
      [RETURN, EPERM],
      [RETURN, ALLOW],
    ]);
  }
  const requests = [
    TIOCSTI,
    TIOCLINUX,
    ...(options.withoutNamespaces ? [FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR] : []),
  ];
  program.block(number("ioctl"), [
    [LOAD, argumentAt(1)],
    ...requests.flatMap((request): Instruction[] => [
      [JUMP_EQUAL, request, 0, 1],
      [RETURN, EPERM],
    ]),
    [RETURN, ALLOW],
  ]);
  program.add(RETURN, ALLOW);
  return program.bytes();
}

type Instruction = readonly [code: number, operand: number, ifTrue?: number, ifFalse?: number];

class Program {
  readonly #instructions: Instruction[] = [];

  add(...instruction: Instruction): void {
    this.#instructions.push(instruction);
  }

  /** One call is refused with EPERM. It has no number where the architecture does not have it. */
  refuse(number: number | undefined): void {
    this.block(number, [[RETURN, EPERM]]);
  }

  refuseFrom(number: number): void {
    this.add(JUMP_AT_LEAST, number, 0, 1);
    this.add(RETURN, EPERM);
  }

  /** What happens with one call; ends with a return, as what was loaded is no longer the number. */
  block(number: number | undefined, instructions: readonly Instruction[]): void {
    if (number === undefined) return;
    this.add(JUMP_EQUAL, number, 0, instructions.length);
    for (const instruction of instructions) this.add(...instruction);
  }

  bytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(8 * this.#instructions.length));
    for (const [i, [code, operand, ifTrue = 0, ifFalse = 0]] of this.#instructions.entries()) {
      view.setUint16(8 * i, code, true);
      view.setUint8(8 * i + 2, ifTrue);
      view.setUint8(8 * i + 3, ifFalse);
      view.setUint32(8 * i + 4, operand >>> 0, true);
    }
    return new Uint8Array(view.buffer);
  }
}
