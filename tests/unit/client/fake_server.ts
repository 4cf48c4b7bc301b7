/** A server that answers as a test says. */

import { type Channel, type CloseReason, channelPair } from "../../../lib/jsonrpc/channel.ts";
import { Peer, ProtocolViolation } from "../../../lib/jsonrpc/peer.ts";
import { RpcError } from "../../../lib/protocol/errors.ts";

export const shell = { name: "sh", path: "/bin/sh" };
export const newInfo = { shell, executorVersion: "0.169.0", cwd: "file:///srv/a%20b" };

export type Params = Record<string, unknown>;
export type Script = Record<string, (params: Params) => unknown>;

/** Notes what comes. */
export class FakeServer {
  readonly requests: [string, unknown][] = [];
  readonly notifications: [string, unknown][] = [];
  closeReason: CloseReason | undefined;
  readonly peer: Peer;
  readonly client: Channel;
  readonly script: Script;

  constructor(script: Script) {
    this.script = {
      initialize: () => ({ sessionId: "s-1", environmentInfo: newInfo }),
      "environment/info": () => ({ shell }),
      "process/start": ({ processId }) => ({ processId }),
      "process/terminate": () => ({ running: true }),
      ...script,
    };
    const [client, server] = channelPair("exec-server test");
    this.client = client;
    this.peer = new Peer(server, {
      request: (method, params) => {
        this.requests.push([method, params]);
        const answer = this.script[method];
        if (!answer) throw new RpcError(-32601, `no ${method}`);
        return answer(params as Params);
      },
      notification: (method, params) => void this.notifications.push([method, params]),
      unmatched: () => {
        throw new ProtocolViolation("unmatched");
      },
      closed: (reason) => {
        this.closeReason = reason;
      },
    });
    this.peer.open();
  }

  output(processId: string, seq: number, text: string): void {
    const chunk = Buffer.from(text).toString("base64");
    this.peer.notify("process/output", { processId, seq, stream: "stdout", chunk });
  }
  end(processId: string, seq: number, exitCode = 0): void {
    this.peer.notify("process/exited", { processId, seq, exitCode });
    this.peer.notify("process/closed", { processId, seq: seq + 1 });
  }
  paramsOf(method: string): Params | undefined {
    return this.requests.find(([name]) => name === method)?.[1] as Params | undefined;
  }
}
