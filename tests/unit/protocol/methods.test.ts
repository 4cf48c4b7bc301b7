import { describe, expect, test } from "bun:test";
import { ExecServerError, RpcError, rpcCode } from "../../../lib/protocol/errors.ts";
import { clientNotifications, requests, serverNotifications } from "../../../lib/protocol/methods.ts";
import { DecodeError } from "../../../lib/protocol/schema.ts";

describe("the table", () => {
  test("has these requests, each behind its gate", () => {
    expect(Object.entries(requests).map(([method, { gate }]) => [method, gate])).toEqual([
      ["initialize", null],
      ["environment/info", "environment info"],
      ["environment/status", "environment status"],
      ["process/start", "exec"],
      ["process/read", "exec"],
      ["process/write", "exec"],
      ["process/signal", "exec"],
      ["process/terminate", "exec"],
      ["process/resize", "exec"],
      ["process/list", "exec"],
      ["process/attach", "exec"],
      ["process/detach", "exec"],
      ["process/closeStdin", "exec"],
      ["http/request", "http"],
      ["http/request/cancel", "http"],
      ["fs/readFile", "filesystem"],
      ["fs/writeFile", "filesystem"],
      ["fs/createDirectory", "filesystem"],
      ["fs/getMetadata", "filesystem"],
      ["fs/canonicalize", "filesystem"],
      ["fs/readDirectory", "filesystem"],
      ["fs/remove", "filesystem"],
      ["fs/copy", "filesystem"],
      ["fs/join", "filesystem"],
      ["fs/parent", "filesystem"],
      ["fs/open", "filesystem"],
      ["fs/readBlock", "filesystem"],
      ["fs/writeBlock", "filesystem"],
      ["fs/close", "filesystem"],
      ["fs/walk", "filesystem"],
      ["fs/watchMissing", "filesystem"],
      ["fs/watch", "filesystem"],
      ["fs/unwatch", "filesystem"],
      ["fs/search", "filesystem"],
      ["fs/cancelSearch", "filesystem"],
      ["fs/rename", "filesystem"],
      ["fs/chmod", "filesystem"],
      ["fs/setTimes", "filesystem"],
      ["fs/symlink", "filesystem"],
      ["fs/readLink", "filesystem"],
      ["fs/hash", "filesystem"],
    ]);
  });

  test("has these notifications of the client", () => {
    expect(Object.keys(clientNotifications)).toEqual([
      "initialized",
      "process/consumed",
      "http/request/consumed",
    ]);
  });

  test("has these notifications of the server", () => {
    expect(Object.keys(serverNotifications)).toEqual([
      "process/output",
      "process/exited",
      "process/closed",
      "http/request/bodyDelta",
      "fs/missingChanged",
      "fs/changed",
      "fs/searchMatches",
    ]);
  });
});

describe("error codes", () => {
  test("are those of the peer", () => {
    expect(rpcCode).toEqual({
      invalidRequest: -32600,
      methodNotFound: -32601,
      invalidParams: -32602,
      internal: -32603,
      notFound: -32004,
      sessionAttached: -32010,
    });
  });

  test("an error of the wire carries code, text, data and cause", () => {
    const cause = new Error("below");
    const error = new RpcError(-32603, "No such file", { errno: 2 }, { cause });
    expect([error.name, error.code, error.message, error.data, error.cause]).toEqual([
      "RpcError",
      -32603,
      "No such file",
      { errno: 2 },
      cause,
    ]);
  });

  test("any other error carries a stable code", () => {
    const error = new ExecServerError("ERR_CLOSED", "It is over");
    expect([error.name, error.code, error.message]).toEqual(["ExecServerError", "ERR_CLOSED", "It is over"]);
    expect(error).toBeInstanceOf(Error);
  });
});

describe("the shapes", () => {
  const start = { processId: "p", argv: ["sh"], cwd: "/", env: {}, tty: false };
  const decode = requests["process/start"].params.decode;

  test("a start of the older peer passes", () => {
    expect(decode({ ...start, arg0: null, envPolicy: null, pipeStdin: true })).toEqual({
      ...start,
      pipeStdin: true,
    });
  });

  test("a start of the newer peer passes", () => {
    const more = {
      sandbox: null,
      enforceManagedNetwork: false,
      managedNetwork: null,
      networkProxy: null,
      shellSnapshot: null,
      credentialProviders: null,
      metadata: { toolCallId: "call", threadId: null },
    };
    expect(decode({ ...start, ...more })).toEqual({
      ...start,
      enforceManagedNetwork: false,
      metadata: { toolCallId: "call" },
    });
  });

  const missing = ["processId", "argv", "cwd", "env", "tty"] as const;
  for (const member of missing) {
    test(`a start without ${member} is refused`, () => {
      const { [member]: _, ...rest } = start;
      expect(() => decode(rest)).toThrow(new DecodeError(`missing field \`${member}\``));
    });
  }

  test("pipeStdin may not be null, and env holds texts only", () => {
    expect(() => decode({ ...start, pipeStdin: null })).toThrow("pipeStdin: invalid type: null");
    expect(() => decode({ ...start, enforceManagedNetwork: null })).toThrow("enforceManagedNetwork: ");
    expect(() => decode({ ...start, env: { A: 1 } })).toThrow('env["A"]: invalid type: integer `1`');
  });

  test("all five members of envPolicy are wanted, and inherit is one of three words", () => {
    const policy = { inherit: "core", ignoreDefaultExcludes: false, exclude: [], set: {}, includeOnly: [] };
    expect(decode({ ...start, envPolicy: policy }).envPolicy).toEqual(policy as never);
    for (const member of Object.keys(policy)) {
      const envPolicy = Object.fromEntries(Object.entries(policy).filter(([name]) => name !== member));
      expect(() => decode({ ...start, envPolicy })).toThrow(`envPolicy: missing field \`${member}\``);
    }
    expect(() => decode({ ...start, envPolicy: { ...policy, inherit: "Core" } })).toThrow(
      "envPolicy.inherit: unknown variant `Core`, expected `all` or `core` or `none`",
    );
  });

  test("a read has three numbers that may be null", () => {
    const read = requests["process/read"].params;
    expect(read.decode({ processId: "p", afterSeq: null, maxBytes: null, waitMs: null })).toEqual({
      processId: "p",
    });
    expect(read.decode({ processId: "p", afterSeq: 1, maxBytes: 0, waitMs: 2 ** 60 })).toEqual({
      processId: "p",
      afterSeq: 1,
      maxBytes: 0,
      waitMs: 2 ** 60,
    });
    expect(() => read.decode({ processId: "p", afterSeq: -1 })).toThrow("afterSeq: ");
  });

  test("the answer to a read of the older peer decodes", () => {
    const wire = {
      chunks: [{ seq: 1, stream: "pty", chunk: "YQ==" }],
      nextSeq: 2,
      exited: false,
      exitCode: null,
      closed: false,
      failure: null,
    };
    expect(requests["process/read"].result.decode(wire)).toEqual({
      ...wire,
      chunks: [{ seq: 1, stream: "pty", chunk: new Uint8Array([97]) }],
    } as never);
  });

  test("a write has its bytes in base64, and writeId may be absent but not null", () => {
    const { params } = requests["process/write"];
    expect(params.decode({ processId: "p", chunk: "YQ==" }).chunk).toEqual(new Uint8Array([97]));
    expect(params.encode({ processId: "p", chunk: new Uint8Array([97]) })).toEqual({
      processId: "p",
      chunk: "YQ==",
    });
    expect(() => params.decode({ processId: "p", chunk: "YQ==", writeId: null })).toThrow("writeId: ");
    expect(() => params.decode({ processId: "p", chunk: "YQ" })).toThrow("Invalid padding");
  });

  test("the states of a write are these four", () => {
    const { result } = requests["process/write"];
    for (const status of ["accepted", "starting", "stdinClosed", "unknownProcess"]) {
      expect(result.decode({ status })).toEqual({ status } as never);
    }
    expect(() => result.decode({ status: "closed" })).toThrow("status: unknown variant");
  });

  test("the signals are these nine words", () => {
    const { params } = requests["process/signal"];
    const words = ["interrupt", "hangup", "quit", "kill", "terminate", "user1", "user2", "stop", "continue"];
    for (const signal of words)
      expect(params.decode({ processId: "p", signal })).toEqual({ processId: "p", signal } as never);
    for (const signal of ["SIGINT", "INTERRUPT", "int", ""]) {
      expect(() => params.decode({ processId: "p", signal })).toThrow("signal: unknown variant");
    }
  });

  test("the answer to initialize may lack environmentInfo, and its members may be null or new", () => {
    const { result } = requests.initialize;
    expect(result.decode({ sessionId: "s" })).toEqual({ sessionId: "s" });
    const shell = { name: "sh", path: "/bin/sh" };
    const environmentInfo = {
      shell,
      cwd: null,
      executorVersion: null,
      capabilities: { shellSnapshotV2: true },
    };
    expect(result.decode({ sessionId: "s", environmentInfo })).toEqual({
      sessionId: "s",
      environmentInfo: { shell, cwd: null, capabilities: {} },
    });
  });

  test("`initialized` takes any parameters", () => {
    for (const params of [undefined, null, {}, { a: 1 }, [1], "x"]) {
      expect(clientNotifications.initialized.decode(params)).toBeNull();
    }
  });

  test("an exit code may be negative, and a seq may not", () => {
    const { decode: exited } = serverNotifications["process/exited"];
    expect(exited({ processId: "p", seq: 1, exitCode: -1 }).exitCode).toBe(-1);
    expect(() => exited({ processId: "p", seq: -1, exitCode: 0 })).toThrow("seq: ");
  });
});
