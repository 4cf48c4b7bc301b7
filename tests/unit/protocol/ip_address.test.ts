import { describe, expect, test } from "bun:test";
import { isIP as nodeIsIP } from "node:net";
import fc from "fast-check";
import { isIP } from "../../../lib/protocol/ip_address.ts";

describe("an IP address", () => {
  const cases: [string, 0 | 4 | 6][] = [
    ["127.0.0.1", 4],
    ["255.255.255.255", 4],
    ["0.0.0.0", 4],
    ["::", 6],
    ["::1", 6],
    ["fe80::1%eth0", 6],
    ["1:2:3:4:5:6:7::", 6],
    ["::ffff:127.0.0.1", 6],
    ["2001:DB8::a", 6],
    ["", 0],
    ["localhost", 0],
    ["127.1", 0],
    ["127.0.0.01", 0],
    ["127.0.0.256", 0],
    ["127.0.0.1.", 0],
    ["0x7f.0.0.1", 0],
    ["2130706433", 0],
    ["[::1]", 0],
    ["::1]/a", 0],
    [":::", 0],
    ["1:2:3:4:5:6:7:8::", 0],
    ["::12345", 0],
    ["::g", 0],
    ["::1%", 0],
    ["::1 ", 0],
    ["::1\n", 0],
    ["127.0.0.1\n", 0],
    ["a:b", 0],
  ];
  for (const [text, family] of cases) {
    test(`${JSON.stringify(text)}: ${family}`, () => expect(isIP(text)).toBe(family));
  }

  test("is what node:net takes for one", () => {
    const group = fc.oneof(
      fc.stringMatching(/^[0-9a-fA-F]{0,5}$/),
      fc.ipV4(),
      fc.constantFrom("", "::", "01", "g"),
    );
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(group, { maxLength: 9 }).map((groups) => groups.join(":")),
      fc.array(fc.nat(300), { maxLength: 5 }).map((numbers) => numbers.join(".")),
      fc.tuple(fc.ipV6(), fc.stringMatching(/^[%a-z0-9.:/_-]{0,4}$/)).map(([ip, rest]) => ip + rest),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(`${value} ${isIP(value)}`).toBe(`${value} ${nodeIsIP(value)}`);
      }),
      { numRuns: 3000 },
    );
  });
});
