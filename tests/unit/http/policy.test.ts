import { describe, expect, test } from "bun:test";
import { parseAddress } from "../../../lib/http/addresses.ts";
import { HttpFailure } from "../../../lib/http/failure.ts";
import { HttpPolicy, parseRule } from "../../../lib/http/policy.ts";
import { allowedAddresses } from "../../../lib/http/resolve.ts";

const policy = (allow: string[], deny: string[] = []): HttpPolicy =>
  new HttpPolicy(
    allow.map((text) => parseRule(text)!),
    deny.map((text) => parseRule(text)!),
  );

function allows(rules: HttpPolicy, host: string, address = host, port = 80): boolean {
  try {
    rules.checkHost(host, port);
    const parsed = parseAddress(address);
    if (parsed) rules.checkAddress(host, parsed, port);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(HttpFailure);
    expect((error as HttpFailure).kind).toBe("policy");
    return false;
  }
}

describe("rules", () => {
  test("are names, addresses and ranges, with a port or without", () => {
    const facts = (text: string): unknown => {
      const rule = parseRule(text);
      return rule && [rule.name, rule.range?.family, rule.range?.prefix, rule.port, rule.all];
    };
    expect(facts("Example.COM")).toEqual(["example.com", undefined, undefined, undefined, false]);
    expect(facts("*.example.com:443")).toEqual([".example.com", undefined, undefined, 443, false]);
    expect(facts("bücher.example")).toEqual([
      "xn--bcher-kva.example",
      undefined,
      undefined,
      undefined,
      false,
    ]);
    expect(facts("1.2.3.4:80")).toEqual([undefined, 4, 32, 80, false]);
    expect(facts("10.0.0.0/8:80")).toEqual([undefined, 4, 8, 80, false]);
    expect(facts("fe80::/10")).toEqual([undefined, 6, 10, undefined, false]);
    expect(facts("[::1]:80")).toEqual([undefined, 6, 128, 80, false]);
    expect(facts("[::1]")).toEqual([undefined, 6, 128, undefined, false]);
    expect(facts("*")).toEqual([undefined, undefined, undefined, undefined, true]);
    expect(facts("*:443")).toEqual([undefined, undefined, undefined, 443, true]);
  });

  test("are nothing else", () => {
    for (const text of [
      "",
      "a b",
      "http://x",
      "1.2.3",
      "1.2.3.4.5",
      "10.0.0.0/33",
      "x:0",
      "x:65536",
      "x:",
      "*x",
      "a.*",
      "[::1",
      "[x]",
      "x/8",
      "-x",
    ])
      expect([text, parseRule(text)]).toEqual([text, undefined]);
  });
});

describe("the default", () => {
  test("refuses what gives out credentials, and nothing that is common", () => {
    const rules = policy([]);
    for (const host of [
      "169.254.169.254",
      "169.254.1.1",
      "[fe80::1]",
      "[fd00:ec2::254]",
      "[fd20:ce::254]",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
      "[::ffff:a9fe:a9fe]",
    ])
      expect([host, allows(rules, host)]).toEqual([host, false]);
    for (const host of [
      "127.0.0.1",
      "[::1]",
      "10.0.0.1",
      "93.184.216.34",
      "[2606:4700::1]",
      "[fd12::1]",
      "100.100.100.201",
    ])
      expect([host, allows(rules, host)]).toEqual([host, true]);
    expect(allows(rules, "metadata.google.internal", "169.254.169.254")).toBe(false);
  });

  test("is lifted by a rule that means such addresses, not by a wide one", () => {
    for (const rule of ["*", "0.0.0.0/0", "metadata.test", "169.0.0.0/8"])
      expect([rule, allows(policy([rule]), "metadata.test", "169.254.169.254")]).toEqual([rule, false]);
    for (const rule of ["169.254.169.254", "169.254.0.0/16", "169.254.169.254:80"])
      expect([rule, allows(policy([rule]), "169.254.169.254")]).toEqual([rule, true]);
    expect(allows(policy(["169.254.169.254:81"]), "169.254.169.254")).toBe(false);
    expect(allows(policy(["169.254.169.254", "*"]), "example.com", "93.184.216.34")).toBe(true);
  });
});

describe("allow and deny", () => {
  test("compare whole names, without the last dot", () => {
    expect(allows(policy(["example.com"]), "example.com.", "1.1.1.1")).toBe(true);
    expect(allows(policy(["example.com"]), "www.example.com", "1.1.1.1")).toBe(false);
    expect(allows(policy(["*.example.com"]), "www.example.com", "1.1.1.1")).toBe(true);
    expect(allows(policy(["*.example.com"]), "example.com", "1.1.1.1")).toBe(false);
    expect(allows(policy([], ["evil.test"]), "notevil.test", "1.1.1.1")).toBe(true);
  });

  test("deny comes first", () => {
    expect(allows(policy(["10.0.0.0/8"], ["10.0.0.1"]), "10.0.0.1")).toBe(false);
    expect(allows(policy(["10.0.0.0/8"], ["10.0.0.1"]), "10.0.0.2")).toBe(true);
    expect(allows(policy(["x.test"], ["*"]), "x.test", "1.1.1.1")).toBe(false);
  });

  test("an address is denied as what it may lead to, and allowed as what it is", () => {
    for (const host of ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"])
      expect([host, allows(policy([], ["127.0.0.0/8"]), host)]).toEqual([host, false]);
    expect(allows(policy([], ["::1"]), "0.0.0.0")).toBe(false);
    for (const host of ["10.1.1.1", "[::ffff:10.1.1.1]"])
      expect([host, allows(policy(["10.0.0.0/8"]), host)]).toEqual([host, true]);
    // By a prefix of another length these are packets to 8.8.8.8.
    for (const host of ["[64:ff9b:1:a00::808:808]", "[2002:a00::808:808]", "[64:ff9b::a01:101]"])
      expect([host, allows(policy(["10.0.0.0/8"]), host)]).toEqual([host, false]);
  });

  test("a metadata service is refused by name, unless it is meant", () => {
    for (const host of ["metadata.google.internal", "METADATA.google.internal."])
      expect([host, allows(policy(["*"]), host, "10.0.0.1")]).toEqual([host, false]);
    expect(allows(policy(["metadata.google.internal"]), "metadata.google.internal", "10.0.0.1")).toBe(true);
    expect(allows(policy(["metadata.google.internal:81"]), "metadata.google.internal", "10.0.0.1")).toBe(
      false,
    );
  });

  test("a rule about addresses holds for a name that leads there", () => {
    expect(allows(policy(["10.0.0.0/8"]), "x.test", "10.1.1.1")).toBe(true);
    expect(allows(policy(["10.0.0.0/8"]), "x.test", "11.1.1.1")).toBe(false);
    expect(allows(policy([], ["10.0.0.0/8"]), "x.test", "::ffff:10.1.1.1")).toBe(false);
  });
});

describe("resolving", () => {
  test("leaves out what is refused, and fails when nothing is left", async () => {
    const resolve = async () => [
      { address: "169.254.169.254", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    expect(await allowedAddresses("x.test", 80, policy([]), resolve)).toEqual([
      { address: "10.0.0.1", family: 4 },
    ]);
    const refused = allowedAddresses("x.test", 80, policy([], ["10.0.0.1"]), resolve);
    expect(await refused.catch((error) => error.kind)).toBe("policy");
  });

  test("fails by name", async () => {
    const resolve = async (): Promise<never> => {
      throw Object.assign(new Error("x"), { code: "EAI_AGAIN" });
    };
    const failure = await allowedAddresses("x.test", 80, policy([]), resolve).catch((error) => error);
    expect([failure.kind, failure.message]).toEqual(["dns", 'cannot resolve "x.test": EAI_AGAIN']);
    const none = await allowedAddresses("x.test", 80, policy([]), async () => []).catch((error) => error);
    expect(none.kind).toBe("dns");
  });
});
