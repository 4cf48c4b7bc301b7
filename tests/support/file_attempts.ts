/** Ways to a file that is out of reach, and beside each what must go on working. Both mechanisms are tried with them. */

import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Attempt } from "./attempt.ts";
import { at, managed, special } from "./sandbox.ts";

/** @param writable Entries that make the workspace writable, in words that the mechanism can express. */
export function fileAttempts(get: () => Attempt, writable: (a: Attempt) => readonly object[]): void {
  const sandbox = (a: Attempt): object => managed(a.work, [special("root", "read"), ...writable(a)]);

  test("a link out of the workspace leads to what cannot be changed, one within it works", async () => {
    const a = get();
    const told = await a.run(
      `
      ln -s ${a.outside} out; echo x > out/new; echo x > out/victim; rm out/victim; ln -s ${a.victim} v; echo x > v
      mkdir in; ln -s in link; echo fine > link/file; cat in/file`,
      sandbox(a),
    );
    expect(told.stdout).toBe("fine\n");
    a.expectOutsideUntouched();
  });

  test("the way up leads to what cannot be changed", async () => {
    const a = get();
    await a.run(
      `echo x > ../outside/new; mkdir sub; cd sub; echo x > ../../outside/victim; cd ..; rm -rf ../outside`,
      sandbox(a),
    );
    a.expectOutsideUntouched();
    expect(existsSync(join(a.work, "sub"))).toBe(true);
  });

  test("a hard link to the outside cannot be made, one within can", async () => {
    const a = get();
    const told = await a.run(
      `ln ${a.victim} hard && echo x > hard; echo a > f; ln f g; stat -c %h f`,
      sandbox(a),
    );
    expect(told.stdout).toBe("2\n");
    expect(told.stderr).toMatch(/cross-device|Permission denied/);
    a.expectOutsideUntouched();
  });

  test("a descriptor opened again does not become writable", async () => {
    const a = get();
    const told = await a.run(
      `
      exec 3<${a.victim}; echo x > /proc/self/fd/3; echo x > /dev/fd/3; echo x >> /proc/1/root${a.victim}
      cat <&3; echo own > own; exec 4<own; echo more >> /proc/self/fd/4; cat own`,
      sandbox(a),
    );
    expect(told.stdout).toBe("safeown\nmore\n");
    a.expectOutsideUntouched();
  });

  test("a link that is swapped between looking and writing leads nowhere", async () => {
    const a = get();
    await a.run(
      `
      mkdir real
      (for i in $(seq 300); do ln -sfn ${a.outside} swap; ln -sfn real swap; done) &
      for i in $(seq 300); do echo x > swap/new; echo x > swap/victim; done; wait; echo x > swap/new`,
      sandbox(a),
    );
    a.expectOutsideUntouched();
    expect(readFileSync(join(a.work, "real", "new"), "utf8")).toBe("x\n");
  });

  test("a single file can be what is writable, and nothing beside it", async () => {
    const a = get();
    await a.prepare("echo a > one; echo b > two");
    const one = managed(a.work, [special("root", "read"), at(join(a.work, "one"), "write")]);
    const told = await a.run(
      "echo changed > one; echo x > two; echo x > three; rm one; mv two one; cat one two",
      one,
    );
    expect(told.stdout).toBe("changed\nb\n");
    expect(readdirSync(a.work).sort()).toEqual(["one", "two"]);
  });

  test("no write is acknowledged and lost, and what is written where it may be is there", async () => {
    const a = get();
    const few = managed(a.work, [special("minimal", "read"), ...writable(a)]);
    const places = [
      "/new",
      "/dev/new",
      "/etc/new",
      "/proc/new",
      "../new",
      `${a.outside}/new`,
      `${a.server.folder.home}/new`,
    ];
    const told = await a.run(
      `for place in ${places.join(" ")}; do (echo x > $place) 2>&- && echo "wrote $place"; mkdir $place.d 2>&- && echo "made $place.d"; done
       mkdir in && echo kept > in/file && sync in/file && cat in/file`,
      few,
    );
    expect(told.stdout).toBe("kept\n");
    expect(readFileSync(join(a.work, "in", "file"), "utf8")).toBe("kept\n");
    expect(readdirSync(a.work)).toEqual(["in"]);
    a.expectOutsideUntouched();
  });
}
