import { describe, expect, test } from "bun:test";
import { type Claim, PathOrder } from "../../../lib/fs/order.ts";

const looks = (path: string, tree = false): Claim => ({ path, tree, change: false });
const changes = (path: string, tree = false): Claim => ({ path, tree, change: true });

describe("the order of requests", () => {
  const cases: [string, Claim, Claim, boolean][] = [
    ["two looks at one path", looks("/a"), looks("/a"), false],
    ["a change and a look", changes("/a"), looks("/a"), true],
    ["a look and a change", looks("/a"), changes("/a"), true],
    ["two changes", changes("/a"), changes("/a"), true],
    ["two paths", changes("/a"), changes("/b"), false],
    ["a path and one that begins like it", changes("/a", true), changes("/ab"), false],
    ["a tree and a path in it", changes("/a", true), looks("/a/b/c"), true],
    ["a path and a tree around it", changes("/a/b/c"), looks("/a", true), true],
    ["a directory and a path in it", changes("/a"), changes("/a/b"), false],
    ["everything", looks("/", true), changes("/a"), true],
  ];
  for (const [what, first, second, waits] of cases) {
    test(`${what}: the second ${waits ? "waits" : "does not wait"}`, async () => {
      const order = new PathOrder();
      const { promise, resolve } = Promise.withResolvers<void>();
      const done: string[] = [];
      const one = order.run([first], () => promise.then(() => done.push("one")));
      const two = order.run([second], () => done.push("two"));
      expect(two instanceof Promise).toBe(waits);
      resolve();
      await Promise.all([one, two]);
      expect(done).toEqual(waits ? ["one", "two"] : ["two", "one"]);
      // Nothing is remembered of what is over.
      expect(order.run([second], () => "at once")).toBe("at once");
    });
  }

  test("a failure holds up nobody, and is its own alone", async () => {
    const order = new PathOrder();
    const failing = order.run([changes("/a")], () => Promise.reject(new Error("no")));
    const next = order.run([changes("/a")], () => "yes");
    expect(failing).rejects.toThrow("no");
    expect(await next).toBe("yes");
    expect(() =>
      order.run([changes("/a")], () => {
        throw new Error("at once");
      }),
    ).toThrow("at once");
    expect(order.run([changes("/a")], () => "on")).toBe("on");
  });
});
