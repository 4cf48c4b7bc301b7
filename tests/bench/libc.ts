/** Calls of the system that the client makes itself. */

import { dlopen } from "bun:ffi";

export const MSG_DONTWAIT = 0x40;

export const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["int", "int", "int"], returns: "int" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
  connect: { args: ["int", "ptr", "u32"], returns: "int" },
  send: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  recv: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
  close: { args: ["int"], returns: "int" },
  posix_fadvise: { args: ["int", "i64", "i64", "int"], returns: "int" },
});
