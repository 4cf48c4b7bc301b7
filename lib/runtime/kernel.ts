/** Descriptors and system calls for who confines programs, over the C library. */

import { arch } from "node:process";
import { FdSource } from "./fd_source.ts";
import { AT_FDCWD } from "./file_libc.ts";
import { cString, F_ADD_SEALS, F_SETFL, O_CLOEXEC, O_NONBLOCK, SYSTEM_CALL_ARGUMENTS } from "./libc.ts";
import { osErrorText } from "./os_error.ts";
import { type Kernel, SpawnError } from "./runtime.ts";
import type { Spawner } from "./spawn_child.ts";

const ENOMEM = 12;
const EMFILE = 24;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** Without it a system may refuse to start what is in the file; systems before Linux 6.3 do not know it. */
const MFD_EXEC = 16;
/** Neither seals, size nor bytes can be changed any more. */
const ALL_SEALS = 0xf;
const number =
  arch === "arm64"
    ? { memfdCreate: 279, pwrite: 68, openat: 56, socketpair: 199, recvmsg: 212 }
    : { memfdCreate: 319, pwrite: 18, openat: 257, socketpair: 53, recvmsg: 47 };
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** A head of 16 bytes and one descriptor, padded. */
const CONTROL_BYTES = 24;

export function createKernel({ libc, reactor }: Spawner): Kernel {
  /** Out of a message that is there; undefined when the sender has gone without one. */
  const receiveDescriptor = (socket: number): number | undefined => {
    const byte = new Uint8Array(8);
    const vector = new Uint8Array(new BigUint64Array([libc.addressOf(byte), 1n]).buffer);
    const control = new Uint8Array(CONTROL_BYTES);
    const header = new BigUint64Array([0n, 0n, libc.addressOf(vector), 1n, libc.addressOf(control), 24n, 0n]);
    const count = call(number.recvmsg, socket, new Uint8Array(header.buffer), MSG_CMSG_CLOEXEC);
    // The memory is reached by address only, which no garbage collector sees.
    void byte[0];
    void vector[0];
    const view = new DataView(control.buffer);
    const isDescriptor = view.getInt32(8, true) === SOL_SOCKET && view.getInt32(12, true) === SCM_RIGHTS;
    return count > 0 && isDescriptor ? view.getInt32(16, true) : undefined;
  };
  const call = (systemCall: number, ...args: readonly (number | Uint8Array)[]): number => {
    const given = args.map((arg) =>
      typeof arg === "number" ? BigInt.asUintN(64, BigInt(arg)) : libc.addressOf(arg),
    );
    const zeros = new Array<number>(SYSTEM_CALL_ARGUMENTS - 1 - given.length).fill(0);
    const result = libc.systemCall(systemCall, ...given, ...zeros);
    // The memory is reached by address only, which no garbage collector sees.
    for (const arg of args) if (typeof arg !== "number") void arg[0];
    return result;
  };
  const attempt = (systemCall: number, ...args: readonly (number | Uint8Array)[]): number => {
    // Found before it is needed: finding it makes calls of its own.
    libc.errno();
    const result = call(systemCall, ...args);
    return result < 0 ? -libc.errno() : result;
  };
  const forget = (fd: number): void => {
    reactor.forget(fd);
    libc.close(fd);
  };
  return {
    call,
    attempt,
    readable: (fd) => reactor.readable(fd),
    forget,
    handover: () => {
      const ends = new Int32Array(2);
      const flags = SOCK_STREAM | O_CLOEXEC | O_NONBLOCK;
      if (call(number.socketpair, AF_UNIX, flags, 0, new Uint8Array(ends.buffer)) !== 0) {
        throw new SpawnError(EMFILE, osErrorText(EMFILE));
      }
      const [ours, fd] = ends as unknown as [number, number];
      libc.fcntl(fd, F_SETFL, 0);
      const receive = async (): Promise<number | undefined> => {
        await reactor.readable(ours);
        try {
          return receiveDescriptor(ours);
        } finally {
          forget(ours);
        }
      };
      return { fd, receive };
    },
    open: (path, flags) => call(number.openat, AT_FDCWD, cString(path), flags | O_CLOEXEC),
    close: (fd) => void libc.close(fd),
    memoryFile: (bytes) => {
      const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
      const name = cString("exec-server");
      let fd = call(number.memfdCreate, name, flags | MFD_EXEC);
      if (fd < 0) fd = call(number.memfdCreate, name, flags);
      if (fd < 0) throw new SpawnError(EMFILE, osErrorText(EMFILE));
      // At a position of its own, so that who reads the descriptor begins at the start.
      for (let at = 0; at < bytes.length; ) {
        const rest = bytes.subarray(at);
        const written = call(number.pwrite, fd, rest, rest.length, at);
        if (written <= 0) {
          libc.close(fd);
          throw new SpawnError(ENOMEM, osErrorText(ENOMEM));
        }
        at += written;
      }
      libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS);
      return fd;
    },
    pipe: () => {
      const ends = new Int32Array(2);
      if (libc.pipe2(new Uint8Array(ends.buffer), O_CLOEXEC) !== 0) {
        throw new SpawnError(EMFILE, osErrorText(EMFILE));
      }
      const [readFd, writeFd] = ends as unknown as [number, number];
      libc.fcntl(readFd, F_SETFL, O_NONBLOCK);
      const release = (): void => {
        reactor.forget(readFd);
        libc.close(readFd);
      };
      const source = new FdSource(libc, reactor, readFd, { release });
      return { source, writeFd };
    },
  };
}
