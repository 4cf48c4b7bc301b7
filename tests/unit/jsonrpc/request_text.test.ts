import { expect, test } from "bun:test";
import { Peer, WithBytes } from "../../../lib/jsonrpc/peer.ts";
import { within } from "../../support/deadline.ts";
import { FakeChannel } from "./fake_channel.ts";

test("a request with half of a surrogate pair is not sent, as no answer would name it", async () => {
  const channel = new FakeChannel();
  const peer = new Peer(channel, {
    request: () => null,
    notification: () => {},
    unmatched: () => {},
    closed: () => {},
  });
  peer.open();
  const withBytes = new WithBytes({ a: "\ud83d" }, "b", Uint8Array.of(1), { raw: true, owned: false });
  for (const params of [{ a: ["\ud83d"] }, { "\ude00": 1 }, withBytes]) {
    await expect(within(5000, "rejection", peer.call("m", params))).rejects.toBeInstanceOf(TypeError);
  }
  expect(channel.sent).toEqual([]);
  const call = peer.call("m", { a: "\\ud83d 😀" });
  expect(channel.sent).toEqual(['{"id":4,"method":"m","params":{"a":"\\\\ud83d 😀"}}']);
  channel.receiver!.message('{"id":4,"result":null}');
  expect(await within(5000, "answer", call)).toBeNull();
});
