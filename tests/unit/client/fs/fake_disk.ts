/** A server with files in memory, whose connections a test can cut before or after what it carries out. */

import { createHash } from "node:crypto";
import { Client } from "../../../../lib/client/client.ts";
import { type Channel, channelPair } from "../../../../lib/jsonrpc/channel.ts";
import { Peer } from "../../../../lib/jsonrpc/peer.ts";
import { RpcError } from "../../../../lib/protocol/errors.ts";

type Params = Record<string, unknown>;

const missing = (): RpcError => new RpcError(-32004, "No such file or directory (os error 2)");

export class FakeDisk {
  readonly files = new Map<string, { bytes: Buffer; modifiedAtMs: number }>();
  capabilities: Record<string, boolean> = { fileWriteStreaming: true, fsResume: true, fsHash: true };
  /** Absent: as 0.138.0, which has no version, no sizes and no open files. */
  version: string | undefined = "0.169.0";
  /** Every request with its parameters, over all connections. */
  readonly requests: { method: string; params: Params }[] = [];
  /** Asked before each request: the connection breaks before it is carried out, after it, or not at all. */
  cut: (method: string, params: Params, count: number) => "before" | "after" | undefined = () => undefined;
  connections = 0;
  /** The far end of the present connection. */
  peer!: Peer;
  #count = 0;

  /** Requests of a method. */
  calls(method: string): Params[] {
    return this.requests.filter((request) => request.method === method).map(({ params }) => params);
  }

  put(path: string, bytes: Uint8Array | string, modifiedAtMs = 1000): void {
    this.files.set(path, { bytes: Buffer.from(bytes as Uint8Array), modifiedAtMs });
  }

  get(path: string): Buffer | undefined {
    return this.files.get(path)?.bytes;
  }

  /** A client that opens its connection again when it breaks. */
  async client(): Promise<Client> {
    const options = { recovery: { firstDelayMs: 1, maxDelayMs: 2, deadlineMs: 5000 } };
    return await Client.open(this.#connect(), options, { reopen: async () => this.#connect() });
  }

  #connect(): Channel {
    const [near, far] = channelPair("exec-server test");
    this.connections++;
    const handles = new Map<string, string>();
    const peer = new Peer(far, {
      request: (method, params) => {
        if (!method.startsWith("fs/")) return this.#other(method);
        this.requests.push({ method, params: params as Params });
        const cut = this.cut(method, params as Params, ++this.#count);
        const answer = cut === "before" ? {} : this.#answer(handles, method, params as Params);
        if (cut) peer.close({ kind: "lost", message: "cut" });
        return answer;
      },
      notification: () => {},
      unmatched: () => {},
      closed: () => {},
    });
    this.peer = peer;
    peer.open();
    return near;
  }

  #other(method: string): unknown {
    const shell = { name: "sh", path: "/bin/sh" };
    const { version, capabilities } = this;
    const info = version === undefined ? { shell } : { shell, executorVersion: version, capabilities };
    if (method === "environment/info") return info;
    return version === undefined ? { sessionId: "s" } : { sessionId: "s", environmentInfo: info };
  }

  #answer(handles: Map<string, string>, method: string, params: Params): unknown {
    const named = String(params.path ?? "");
    if (params.path !== undefined && named.startsWith("file:") !== (this.version !== undefined)) {
      throw new RpcError(-32602, `wrong form of path: ${named}`);
    }
    const path = decodeURIComponent(named.replace("file://", ""));
    const file = this.files.get(path);
    const open = (): Buffer => {
      const at = handles.get(String(params.handleId));
      if (at === undefined) throw new RpcError(-32004, `unknown file handle \`${params.handleId}\``);
      return this.files.get(at)!.bytes;
    };
    switch (method) {
      case "fs/getMetadata":
        if (!file) throw missing();
        return {
          isFile: true,
          isDirectory: false,
          isSymlink: false,
          createdAtMs: 0,
          modifiedAtMs: file.modifiedAtMs,
          ...(this.version === undefined ? {} : { size: file.bytes.length }),
        };
      case "fs/readFile":
        if (!file) throw missing();
        return { dataBase64: file.bytes.toString("base64") };
      case "fs/writeFile":
        this.put(path, Buffer.from(String(params.dataBase64), "base64"), 2000);
        return {};
      case "fs/open": {
        if (params.mode === "replace") this.put(path, "");
        else if (params.mode === "resume") {
          if (!this.capabilities.fsResume) throw new RpcError(-32602, "unknown variant `resume`");
          const keep = Number(params.keepBytes);
          if (!file || file.bytes.length < keep) throw new RpcError(-32600, "the file is shorter");
          file.bytes = file.bytes.subarray(0, keep);
        } else if (!file) throw missing();
        handles.set(String(params.handleId), path);
        return { handleId: params.handleId };
      }
      case "fs/readBlock": {
        const chunk = open().subarray(Number(params.offset), Number(params.offset) + Number(params.len));
        return { chunk: chunk.toString("base64"), eof: chunk.length < Number(params.len) };
      }
      case "fs/writeBlock": {
        const bytes = open();
        const chunk = Buffer.from(String(params.chunk), "base64");
        const whole = Buffer.alloc(Math.max(bytes.length, Number(params.offset) + chunk.length));
        bytes.copy(whole);
        chunk.copy(whole, Number(params.offset));
        this.files.get(handles.get(String(params.handleId))!)!.bytes = whole;
        return {};
      }
      case "fs/hash": {
        if (!file) throw missing();
        const from = Number(params.offset ?? 0);
        const part = file.bytes.subarray(
          from,
          params.length === undefined ? undefined : from + Number(params.length),
        );
        const sha256 = createHash("sha256").update(part).digest("hex");
        return { sha256, length: part.length, size: file.bytes.length };
      }
      case "fs/watch":
      case "fs/unwatch":
        return {};
      case "fs/close":
        handles.delete(String(params.handleId));
        return {};
      default:
        throw new RpcError(-32601, `exec-server stub does not implement \`${method}\` yet`);
    }
  }
}
