import { describe, expect, test } from "bun:test";
import {
  type Channel,
  type ChannelReceiver,
  type CloseReason,
  channelPair,
} from "../../../lib/jsonrpc/channel.ts";

const normal: CloseReason = { kind: "normal", message: "done" };

/** Keeps all that a channel tells. */
class Recorder implements ChannelReceiver {
  readonly log: string[] = [];
  onMessage: ((text: string) => void) | undefined;

  message(text: string): void {
    this.log.push(text);
    this.onMessage?.(text);
  }
  undecodable(detail: string): void {
    this.log.push(`undecodable ${detail}`);
  }
  drained(): void {
    this.log.push("drained");
  }
  closed(reason: CloseReason): void {
    this.log.push(`closed ${reason.kind} ${reason.message}`);
  }
}

function openPair(): { a: Channel; b: Channel; fromB: Recorder; fromA: Recorder } {
  const [a, b] = channelPair("test");
  const fromB = new Recorder();
  const fromA = new Recorder();
  a.open(fromB);
  b.open(fromA);
  return { a, b, fromB, fromA };
}

async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a pair of channels", () => {
  test("carries messages in order, in a later turn", async () => {
    const { a, b, fromA, fromB } = openPair();
    for (const text of ["1", "2", "3"]) a.send(text);
    b.send("x");
    expect(fromA.log).toEqual([]);
    await turns();
    expect(fromA.log.filter((entry) => entry !== "drained")).toEqual(["1", "2", "3"]);
    expect(fromB.log.filter((entry) => entry !== "drained")).toEqual(["x"]);
    expect([a.label, b.label]).toEqual(["test", "test"]);
  });

  test("keeps messages until the other side opens", async () => {
    const [a, b] = channelPair("test");
    a.open(new Recorder());
    a.send("early");
    await turns();
    expect(a.pendingBytes).toBe(5);
    const late = new Recorder();
    b.open(late);
    await turns();
    expect(late.log).toEqual(["early"]);
  });

  test("counts what is queued, and tells when it has gone", async () => {
    const { a, fromB } = openPair();
    a.send("12345");
    a.send("678");
    expect(a.pendingBytes).toBe(8);
    await turns();
    expect(a.pendingBytes).toBe(0);
    expect(fromB.log).toEqual(["drained"]);
  });

  test("holds messages back while the receiver has paused", async () => {
    const { a, b, fromA, fromB } = openPair();
    b.pause();
    a.send("1");
    a.send("2");
    await turns();
    expect(fromA.log).toEqual([]);
    expect(a.pendingBytes).toBe(2);
    expect(fromB.log).toEqual([]);
    b.resume();
    await turns();
    expect(fromA.log).toEqual(["1", "2"]);
  });

  test("a receiver that pauses at a message gets the next ones later, in order", async () => {
    const { a, b, fromA } = openPair();
    fromA.onMessage = (text) => {
      if (text === "2") b.pause();
    };
    for (const text of ["1", "2", "3", "4"]) a.send(text);
    await turns();
    expect(fromA.log).toEqual(["1", "2"]);
    expect(a.pendingBytes).toBe(2);
    a.send("5");
    b.resume();
    await turns();
    expect(fromA.log).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("closes after what was queued, once, on both sides with the reason", async () => {
    const { a, b, fromA, fromB } = openPair();
    a.send("1");
    a.close(normal);
    a.close({ kind: "lost", message: "again" });
    b.close({ kind: "lost", message: "too late" });
    await turns();
    expect(fromA.log).toEqual(["1", "closed normal done"]);
    expect(fromB.log.filter((entry) => entry !== "drained")).toEqual(["closed normal done"]);
  });

  test("the side that closes hears nothing but the end", async () => {
    const { a, b, fromA } = openPair();
    a.send("on the way");
    b.close(normal);
    await turns();
    expect(fromA.log).toEqual(["closed normal done"]);
  });

  test("a receiver that closes at a message gets none of those behind it", async () => {
    const { a, b, fromA, fromB } = openPair();
    fromA.onMessage = () => b.close({ kind: "protocol", message: "no" });
    for (const text of ["1", "2", "3"]) a.send(text);
    await turns();
    expect(fromA.log).toEqual(["1", "closed protocol no"]);
    expect(fromB.log.at(-1)).toBe("closed protocol no");
  });

  test("a receiver that pauses and closes at a message is told the end", async () => {
    const { a, b, fromA } = openPair();
    fromA.onMessage = () => {
      b.pause();
      b.close(normal);
    };
    for (const text of ["1", "2"]) a.send(text);
    await turns();
    expect(fromA.log).toEqual(["1", "closed normal done"]);
  });

  test("a paused receiver gets what was queued before the end when it resumes", async () => {
    const { a, b, fromA } = openPair();
    b.pause();
    a.send("1");
    a.close(normal);
    await turns();
    expect(fromA.log).toEqual([]);
    b.resume();
    await turns();
    expect(fromA.log).toEqual(["1", "closed normal done"]);
  });

  test("what is sent after the end is dropped", async () => {
    const { a, b, fromA, fromB } = openPair();
    a.close(normal);
    a.send("late");
    b.send("late too");
    await turns();
    expect([...fromA.log, ...fromB.log]).toEqual(["closed normal done", "closed normal done"]);
    a.send("later");
    expect(a.pendingBytes).toBe(0);
  });
});
