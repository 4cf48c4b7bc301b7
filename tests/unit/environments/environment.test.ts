import { afterEach, describe, expect, test } from "bun:test";
import { Client } from "../../../lib/client/client.ts";
import { configuredEnvironment, Environment } from "../../../lib/environments/environment.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { upgradeBytes } from "../../../lib/server/http.ts";
import { until, within } from "../../support/deadline.ts";
import { childrenOf } from "../../support/proc.ts";
import { FakeServer } from "../client/fake_server.ts";

const WAIT_MS = 5000;
const runtime = await currentRuntime();
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

/** An environment whose connections are made by the test. */
function make(once: boolean): { environment: Environment; servers: FakeServer[]; failures: Error[] } {
  const servers: FakeServer[] = [];
  const failures: Error[] = [];
  const environment = new Environment("lab", {
    description: "a test",
    isRemote: true,
    once,
    connect: async () => {
      const server = new FakeServer({ "environment/status": () => ({ status: "ready" }) });
      servers.push(server);
      await Bun.sleep(5);
      const failure = failures.shift();
      if (failure) throw failure;
      return await Client.open(server.client);
    },
  });
  cleanup.push(() => environment.close());
  return { environment, servers, failures };
}

async function codeOf(promise: Promise<unknown>): Promise<[unknown, string]> {
  return await within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => [error.code, error.message] as [unknown, string],
    ),
  );
}

describe("the connection", () => {
  test("is opened at first use, once for all who wait", async () => {
    const { environment, servers } = make(false);
    expect(servers).toHaveLength(0);
    const clients = await Promise.all([1, 2, 3, 4].map(() => environment.client()));
    expect([servers.length, new Set(clients).size]).toEqual([1, 1]);
    expect(await environment.client()).toBe(clients[0]!);
  });

  test("that could not be opened fails for all who wait, and the next call tries again", async () => {
    const { environment, servers, failures } = make(false);
    failures.push(new Error("nobody there"));
    const both = await Promise.allSettled([environment.client(), environment.client()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await environment.client();
    expect(servers).toHaveLength(2);
  });

  test("that is lost for good is followed by one fresh one, for all who find it so", async () => {
    const { environment, servers } = make(false);
    const first = await environment.client();
    servers[0]!.peer.close({ kind: "goingAway", message: "the server is ending" });
    await within(WAIT_MS, "the end", first.closed);
    const clients = await Promise.all([1, 2, 3, 4].map(() => environment.client()));
    expect([servers.length, new Set(clients).size]).toEqual([2, 1]);
    expect(clients[0]).not.toBe(first);
    expect(await clients[0]!.call("environment/status", null)).toEqual({ status: "ready" });
  });

  test("of a program is one: when it is lost every use says why, and nothing is launched again", async () => {
    const { environment, servers } = make(true);
    const first = await environment.client();
    servers[0]!.peer.close({ kind: "lost", message: "the other side closed its output" });
    await within(WAIT_MS, "the end", first.closed);
    for (let i = 0; i < 2; i++) {
      expect(await codeOf(environment.start({ argv: ["a"] }))).toEqual([
        "ERR_DISCONNECTED",
        'The command of environment "lab" has ended: the other side closed its output',
      ]);
    }
    expect(servers).toHaveLength(1);
  });
});

describe("the times of its configuration", () => {
  /** A server that does nothing, or upgrades and then does nothing. */
  function silent(upgrades: boolean): string {
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket, bytes) => {
          const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(bytes.toString());
          if (upgrades && key) socket.write(upgradeBytes(key[1]!));
        },
      },
    });
    cleanup.push(() => listener.stop(true));
    return `ws://127.0.0.1:${listener.port}`;
  }
  const remote = (url: string): Environment => {
    const environment = configuredEnvironment(runtime, {
      id: "remote",
      initializeTimeoutMs: 60,
      transport: { kind: "websocket", url, connectTimeoutMs: 50 },
    });
    cleanup.push(() => environment.close());
    return environment;
  };

  test("bound the connecting", async () => {
    const url = silent(false);
    expect(await codeOf(remote(url).client())).toEqual([
      "ERR_CONNECT_TIMEOUT",
      `Cannot connect to "${url}": no answer in 50 ms`,
    ]);
  });

  test("bound the handshake behind it", async () => {
    expect(await codeOf(remote(silent(true)).client())).toEqual([
      "ERR_INITIALIZE_TIMEOUT",
      'No answer to "initialize" in 60 ms',
    ]);
  });

  test("bound the handshake with a program, which is ended then", async () => {
    const before = childrenOf(process.pid);
    const environment = configuredEnvironment(runtime, {
      id: "program",
      initializeTimeoutMs: 60,
      transport: { kind: "stdio", program: "sleep", args: ["1000"], env: {} },
    });
    expect((await codeOf(environment.client()))[0]).toBe("ERR_INITIALIZE_TIMEOUT");
    await until(WAIT_MS, "the end of the program", () =>
      childrenOf(process.pid).every((pid) => before.includes(pid)),
    );
  });
});
