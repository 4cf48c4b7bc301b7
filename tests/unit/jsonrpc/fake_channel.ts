/** A channel for tests of what is above channels. */

import type { Channel, ChannelReceiver, CloseReason } from "../../../lib/jsonrpc/channel.ts";

/** A channel whose other side is the test. */
export class FakeChannel implements Channel {
  label = "exec-server stdio";
  pendingBytes = 0;
  readonly sent: string[] = [];
  readonly calls: string[] = [];
  receiver: ChannelReceiver | undefined;

  open(receiver: ChannelReceiver): void {
    this.receiver = receiver;
  }
  send(text: string): void {
    this.sent.push(text);
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  close(reason: CloseReason): void {
    this.calls.push(`close ${reason.kind}`);
    this.receiver?.closed(reason);
  }
  get messages(): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text));
  }
}
