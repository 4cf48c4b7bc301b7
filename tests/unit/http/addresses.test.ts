import { describe, expect, test } from "bun:test";
import { parseAddress, parseRange, standsFor, within } from "../../../lib/http/addresses.ts";

const isIn = (address: string, range: string): boolean => within(parseAddress(address)!, parseRange(range)!);

describe("addresses", () => {
  test("are read in every form of IPv6", () => {
    for (const text of ["::1", "0:0:0:0:0:0:0:1", "[::1]", "0000:0000::0001", "::0.0.0.1", "::1%lo"]) {
      expect(parseAddress(text)).toEqual({ family: 6, bits: 1n, prefix: 128 });
    }
    expect(parseAddress("1:2:3:4:5:6:7:8")!.bits).toBe(0x0001_0002_0003_0004_0005_0006_0007_0008n);
    expect(parseAddress("1::8")!.bits).toBe((1n << 112n) | 8n);
    expect(parseAddress("::ffff:1.2.3.4")!.bits).toBe(0xffff_0102_0304n);
  });

  test("are nothing else", () => {
    for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1::2::3", "localhost", "1.2.3.4/8"]) {
      expect(parseAddress(text)).toBeUndefined();
    }
  });

  test("lie in ranges", () => {
    expect(isIn("10.1.2.3", "10.0.0.0/8")).toBe(true);
    expect(isIn("11.0.0.0", "10.0.0.0/8")).toBe(false);
    expect(isIn("1.2.3.4", "0.0.0.0/0")).toBe(true);
    expect(isIn("::1", "0.0.0.0/0")).toBe(false);
    expect(isIn("fe80::1", "fe80::/10")).toBe(true);
    expect(isIn("febf::1", "fe80::/10")).toBe(true);
    expect(isIn("fec0::1", "fe80::/10")).toBe(false);
    for (const text of ["1.2.3.4/33", "1.2.3.4/", "1.2.3.4/x", "::1/129", "x/8"])
      expect(parseRange(text)).toBeUndefined();
  });

  test("of IPv6 may stand for one of IPv4", () => {
    for (const text of [
      "::ffff:169.254.1.2",
      "::169.254.1.2",
      "64:ff9b::169.254.1.2",
      "64:ff9b:1::a9fe:102",
      "64:ff9b:1:a9fe:1:200::",
      "64:ff9b:1:a9:fe:102::",
      "64:ff9b:1:0:a9:fe01:200::",
      "2001:0:1:2:3:4:5601:fefd",
      "fd00::5efe:a9fe:102",
      "fd00::200:5efe:a9fe:102",
      "2002:a9fe:102::1",
    ]) {
      const forms = standsFor(parseAddress(text)!);
      expect(forms.some((form) => within(form, parseRange("169.254.0.0/16")!))).toBe(true);
    }
    for (const text of ["::1", "2001:db8::a9fe:102", "127.0.0.1"])
      expect(standsFor(parseAddress(text)!)).toHaveLength(1);
  });

  test("of no host in particular stand for this machine", () => {
    for (const text of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
      const forms = standsFor(parseAddress(text)!);
      for (const loopback of ["127.0.0.1", "::1"])
        expect([text, forms.some((form) => within(form, parseRange(loopback)!))]).toEqual([text, true]);
    }
  });
});
