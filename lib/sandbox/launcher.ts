/**
 * The last program before the confined one: an executable of a few hundred bytes, made here, that runs inside the sandbox.
 *
 * It takes back what the way there has changed (blocked signals, a variable, the program's name), applies the filter and,
 * where asked, the kernel's file rules, and starts the program. It tells us over a pipe how far it got, so that a program that
 * cannot be started is an error of the start with its number, and not a message in the output. A shell could do none of it,
 * and this program again would take a hundred times as long.
 *
 * Arguments: own name, file, then `argv` of the program. Descriptors: 3 the pipe, 4 the launcher itself, 5 the file rules,
 * 6 the socket for the filter's listener.
 */

import { AT_FDCWD, O_PATH } from "../runtime/file_libc.ts";
import { O_CLOEXEC } from "../runtime/libc.ts";
import { processRights, RULE_PATH_BENEATH } from "./landlock.ts";
import { type Architecture, type CallName, callNumber } from "./system_calls.ts";

/** What a launcher does on its way. */
export interface LauncherOptions {
  architecture: Architecture;
  /** Out of `filterProgram`. */
  filter: Uint8Array;
  /** Apply the file rules of descriptor 5. */
  fileRules: boolean;
  /** What is kept of the administrator's rights, a set of bits; all where absent. */
  rights?: number | undefined;
  /** Let the program, not its children, read what the system says of it: some runtimes end without `/proc/self/maps`. */
  ownProcess?: boolean;
  /** Take the variable PWD out, which bubblewrap has put in. */
  dropPwd: boolean;
  /** The filter asks: hand its listener over by descriptor 6. */
  handOver?: boolean;
}

/** Descriptors of the launcher. */
export const launcherFd = { status: 3, self: 4, fileRules: 5, listener: 6 } as const;

/** It runs. */
export const launcherStarted = 0x53;

/** What it was at when it failed: the first of two bytes, the second is the errno. */
export const launcherStep = {
  signals: 1,
  status: 2,
  privileges: 3,
  capabilities: 4,
  fileRules: 5,
  descriptors: 6,
  filter: 7,
  program: 8,
  listener: 9,
} as const;

const BASE = 0x400000;
const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const SIG_SETMASK = 2;
const PR_SET_NO_NEW_PRIVS = 38;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SECCOMP_SET_MODE_FILTER = 1;
/** With a listener; what it has taken up is given up by deadly signals only, so that nothing is done twice. */
const NEW_LISTENER_WAIT_KILLABLE = (1 << 3) | (1 << 5);
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const DESCRIPTOR_AT = 16;
const CAPABILITY_VERSION = 0x20080522;
const EXIT_STATUS = 127;

/** What the code points to; everything is at a fixed place. */
class Data {
  readonly #parts: Uint8Array[] = [];
  #end: number;

  constructor(start: number) {
    this.#end = start;
  }

  /** Where the bytes will be. */
  put(bytes: Uint8Array): number {
    const at = this.#end;
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    this.#parts.push(padded);
    this.#end += padded.length;
    return at;
  }

  bytes(): Uint8Array {
    return join(this.#parts);
  }
}

/** The executable: one segment that holds headers, data and code. */
export function launcherProgram(options: LauncherOptions): Uint8Array {
  const { architecture } = options;
  const data = new Data(BASE + ELF_HEADER + PROGRAM_HEADER);
  const zeros = data.put(new Uint8Array(24));
  const started = data.put(Uint8Array.of(launcherStarted));
  const failure = data.put(new Uint8Array(2));
  const capabilities = data.put(new Uint8Array(new Uint32Array([CAPABILITY_VERSION, 0]).buffer));
  const filter = data.put(options.filter);
  const filterHeader = data.put(
    new Uint8Array(new BigUint64Array([BigInt(options.filter.length / 8), BigInt(filter)]).buffer),
  );

  const code = architecture === "x64" ? new X64Code() : new Arm64Code();
  const call = (step: keyof typeof launcherStep, name: CallName, ...args: number[]): void =>
    code.call(launcherStep[step], callNumber(architecture, name)!, args);
  code.begin({ dropPwd: options.dropPwd });
  call("status", "write", launcherFd.status, started, 1);
  call("privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (options.rights !== undefined) {
    const { rights } = options;
    const sets = data.put(new Uint8Array(new Uint32Array([rights, rights, 0, 0, 0, 0]).buffer));
    call("capabilities", "capset", capabilities, sets);
  }
  if (options.fileRules) {
    if (options.ownProcess) {
      const path = data.put(new TextEncoder().encode("/proc/self\0"));
      const rule = data.put(new Uint8Array(new Uint32Array([processRights, 0, 0]).buffer));
      call("fileRules", "openat", AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
      code.store(rule + 8);
      call("fileRules", "landlock_add_rule", launcherFd.fileRules, RULE_PATH_BENEATH, rule, 0);
    }
    call("fileRules", "landlock_restrict_self", launcherFd.fileRules, 0);
    call("descriptors", "close", launcherFd.fileRules);
  }
  call("descriptors", "close", launcherFd.self);
  call("descriptors", "fcntl", launcherFd.status, F_SETFD, FD_CLOEXEC);
  if (options.handOver) {
    const vector = data.put(new Uint8Array(new BigUint64Array([BigInt(started), 1n]).buffer));
    const control = data.put(new Uint8Array(new Uint32Array([20, 0, SOL_SOCKET, SCM_RIGHTS, 0, 0]).buffer));
    const message = data.put(
      new Uint8Array(new BigUint64Array([0n, 0n, BigInt(vector), 1n, BigInt(control), 24n, 0n]).buffer),
    );
    call("filter", "seccomp", SECCOMP_SET_MODE_FILTER, NEW_LISTENER_WAIT_KILLABLE, filterHeader);
    code.store(control + DESCRIPTOR_AT);
    call("listener", "sendmsg", launcherFd.listener, message, 0);
    call("listener", "close", launcherFd.listener);
  } else {
    call("filter", "seccomp", SECCOMP_SET_MODE_FILTER, 0, filterHeader);
  }
  call("signals", "rt_sigprocmask", SIG_SETMASK, zeros, 0, 8);
  code.end(launcherStep.program, failure);
  return elf(architecture, data.bytes(), code.bytes());
}

function elf(architecture: Architecture, data: Uint8Array, code: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(ELF_HEADER + PROGRAM_HEADER));
  const size = head.byteLength + data.length + code.length;
  // 64 bits, little-endian, version 1.
  for (const [i, byte] of [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].entries()) head.setUint8(i, byte);
  head.setUint16(16, 2, true); // an executable
  head.setUint16(18, architecture === "x64" ? 62 : 183, true);
  head.setUint32(20, 1, true);
  head.setBigUint64(24, BigInt(BASE + head.byteLength + data.length), true); // entry
  head.setBigUint64(32, BigInt(ELF_HEADER), true); // program headers
  head.setUint16(52, ELF_HEADER, true);
  head.setUint16(54, PROGRAM_HEADER, true);
  head.setUint16(56, 1, true);
  head.setUint32(64, 1, true); // loaded
  head.setUint32(68, 7, true); // read, written (the failure), executed
  head.setBigUint64(80, BigInt(BASE), true);
  head.setBigUint64(88, BigInt(BASE), true);
  head.setBigUint64(96, BigInt(size), true);
  head.setBigUint64(104, BigInt(size), true);
  head.setBigUint64(112, 0x1000n, true);
  return join([new Uint8Array(head.buffer), data, code]);
}

/** Machine code of one architecture. */
interface Code {
  /** Finds the arguments and the environment on the stack. */
  begin(options: { dropPwd: boolean }): void;
  /** A system call; goes to the end with `step` when it fails. */
  call(step: number, number: number, args: readonly number[]): void;
  /** Puts the 32-bit result of the last call in a place. */
  store(at: number): void;
  /** Starts the program; writes what failed and ends. */
  end(step: number, failureAt: number): void;
  bytes(): Uint8Array;
}

/** Little-endian bytes of a 32-bit number. */
function le32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

/** r12: the stack at the start; r13: argv of the program; r14: environment; ebp: the step. */
class X64Code implements Code {
  readonly #code: number[] = [];
  /** Where jumps to the end are to be filled in. */
  readonly #jumps: number[] = [];

  begin({ dropPwd }: { dropPwd: boolean }): void {
    this.#add(0x49, 0x89, 0xe4); // mov r12, rsp
    this.#add(0x49, 0x8b, 0x04, 0x24); // mov rax, [r12]
    this.#add(0x4d, 0x8d, 0x6c, 0x24, 0x18); // lea r13, [r12+24]
    this.#add(0x4d, 0x8d, 0x74, 0xc4, 0x10); // lea r14, [r12+rax*8+16]
    if (!dropPwd) return;
    this.#add(0x4c, 0x89, 0xf3); // mov rbx, r14
    this.#add(0x48, 0x8b, 0x33); // next: mov rsi, [rbx]
    this.#add(0x48, 0x85, 0xf6); // test rsi, rsi
    this.#add(0x74, 0x1e); // jz done
    this.#add(0x81, 0x3e, 0x50, 0x57, 0x44, 0x3d); // cmp dword [rsi], "PWD="
    this.#add(0x74, 0x06); // je shift
    this.#add(0x48, 0x83, 0xc3, 0x08); // add rbx, 8
    this.#add(0xeb, 0xea); // jmp next
    this.#add(0x48, 0x8b, 0x43, 0x08); // shift: mov rax, [rbx+8]
    this.#add(0x48, 0x89, 0x03); // mov [rbx], rax
    this.#add(0x48, 0x83, 0xc3, 0x08); // add rbx, 8
    this.#add(0x48, 0x85, 0xc0); // test rax, rax
    this.#add(0x75, 0xf0); // jnz shift; done:
  }

  call(step: number, number: number, args: readonly number[]): void {
    // mov edi, esi, edx, r10d, r8d with a constant
    const registers = [[0xbf], [0xbe], [0xba], [0x41, 0xba], [0x41, 0xb8]];
    this.#add(0xbd, ...le32(step)); // mov ebp, step
    for (const [i, value] of args.entries()) this.#add(...registers[i]!, ...le32(value));
    this.#add(0xb8, ...le32(number)); // mov eax, number
    this.#add(0x0f, 0x05); // syscall
    this.#add(0x85, 0xc0); // test eax, eax
    this.#add(0x0f, 0x88, 0, 0, 0, 0); // js fail
    this.#jumps.push(this.#code.length);
  }

  store(at: number): void {
    this.#add(0x89, 0x04, 0x25, ...le32(at)); // mov [at], eax
  }

  end(step: number, failureAt: number): void {
    const number = (name: CallName): number[] => le32(callNumber("x64", name)!);
    this.#add(0xbd, ...le32(step)); // mov ebp, step
    this.#add(0x49, 0x8b, 0x7c, 0x24, 0x10); // mov rdi, [r12+16]
    this.#add(0x4c, 0x89, 0xee); // mov rsi, r13
    this.#add(0x4c, 0x89, 0xf2); // mov rdx, r14
    this.#add(0xb8, ...number("execve"), 0x0f, 0x05);
    const fail = this.#code.length;
    for (const jump of this.#jumps) this.#code.splice(jump - 4, 4, ...le32(fail - jump));
    this.#add(0xf7, 0xd8); // neg eax
    this.#add(0x40, 0x88, 0x2c, 0x25, ...le32(failureAt)); // mov [failure], bpl
    this.#add(0x88, 0x04, 0x25, ...le32(failureAt + 1)); // mov [failure+1], al
    this.#add(0xbf, ...le32(launcherFd.status), 0xbe, ...le32(failureAt), 0xba, ...le32(2));
    this.#add(0xb8, ...number("write"), 0x0f, 0x05);
    this.#add(0xbf, ...le32(EXIT_STATUS));
    this.#add(0xb8, ...number("exit_group"), 0x0f, 0x05);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#code);
  }

  #add(...bytes: number[]): void {
    this.#code.push(...bytes);
  }
}

/** x20: the stack at the start; x21: argv of the program; x22: environment; w19: the step. */
class Arm64Code implements Code {
  readonly #code: number[] = [];
  readonly #jumps: number[] = [];

  begin({ dropPwd }: { dropPwd: boolean }): void {
    this.#add(0x910003f4); // mov x20, sp
    this.#add(0xf9400289); // ldr x9, [x20]
    this.#add(0x91006295); // add x21, x20, #24
    this.#add(0x8b090e96, 0x910042d6); // add x22, x20, x9, lsl #3; add x22, x22, #16
    if (!dropPwd) return;
    this.#add(0xaa1603ea); // mov x10, x22
    this.#add(0xf940014b, 0xb400016b); // next: ldr x11, [x10]; cbz x11, done
    this.#add(0xb940016c, 0x528aea0d, 0x72a7a88d, 0x6b0d019f); // ldr w12, [x11]; cmp w12, "PWD="
    this.#add(0x54000060, 0x9100214a, 0x17fffff8); // b.eq shift; add x10, x10, #8; b next
    this.#add(0xf940054b, 0xf800854b, 0xb5ffffcb); // shift: ldr x11, [x10, #8]; str x11, [x10], #8; cbnz x11, shift; done:
  }

  call(step: number, number: number, args: readonly number[]): void {
    this.#constant(19, step);
    for (const [i, value] of args.entries()) this.#constant(i, value);
    this.#constant(8, number);
    this.#add(0xd4000001); // svc #0
    this.#jumps.push(this.#code.length);
    this.#add(0);
  }

  store(at: number): void {
    this.#constant(9, at);
    this.#add(0xb9000120); // str w0, [x9]
  }

  end(step: number, failureAt: number): void {
    this.#constant(19, step);
    this.#add(0xf9400a80, 0xaa1503e1, 0xaa1603e2); // ldr x0, [x20, #16]; mov x1, x21; mov x2, x22
    this.#constant(8, callNumber("arm64", "execve")!);
    this.#add(0xd4000001);
    const fail = this.#code.length;
    // tbnz x0, #63, fail
    for (const jump of this.#jumps) this.#code[jump] = (0xb7f80000 | ((fail - jump) << 5)) >>> 0;
    this.#add(0x4b0003e0); // neg w0, w0
    this.#constant(1, failureAt);
    this.#add(0x39000420, 0x39000033); // strb w0, [x1, #1]; strb w19, [x1]
    this.#constant(0, launcherFd.status);
    this.#constant(2, 2);
    this.#constant(8, callNumber("arm64", "write")!);
    this.#add(0xd4000001);
    this.#constant(0, EXIT_STATUS);
    this.#constant(8, callNumber("arm64", "exit_group")!);
    this.#add(0xd4000001);
  }

  bytes(): Uint8Array {
    return new Uint8Array(Uint32Array.from(this.#code).buffer);
  }

  /** movz and movk. */
  #constant(register: number, value: number): void {
    this.#add((0xd2800000 | ((value & 0xffff) << 5) | register) >>> 0);
    this.#add((0xf2a00000 | (((value >>> 16) & 0xffff) << 5) | register) >>> 0);
  }

  #add(...words: number[]): void {
    this.#code.push(...words);
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
