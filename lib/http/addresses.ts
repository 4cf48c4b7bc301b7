/** IP addresses as numbers, ranges of them, and what an IPv6 address may stand for. */

import { isIP } from "../protocol/ip_address.ts";

/** An address, or a range of them: the first `prefix` bits count. */
export interface IpRange {
  family: 4 | 6;
  bits: bigint;
  prefix: number;
}

/** An address; undefined for anything else. */
export function parseAddress(text: string): IpRange | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  switch (isIP(bare)) {
    case 4:
      return { family: 4, bits: v4Bits(bare), prefix: 32 };
    case 6:
      return { family: 6, bits: v6Bits(bare), prefix: 128 };
    default:
      return undefined;
  }
}

/** An address or `ADDRESS/PREFIX`; undefined for anything else. */
export function parseRange(text: string): IpRange | undefined {
  const slash = text.lastIndexOf("/");
  const range = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!range || slash < 0) return range;
  const digits = text.slice(slash + 1);
  const prefix = Number(digits);
  if (!/^\d{1,3}$/.test(digits) || prefix > range.prefix) return undefined;
  return { ...range, prefix };
}

/** Whether all of a range lies in another. */
export function within(inner: IpRange, outer: IpRange): boolean {
  if (inner.family !== outer.family || inner.prefix < outer.prefix) return false;
  const shift = BigInt((outer.family === 4 ? 32 : 128) - outer.prefix);
  return inner.bits >> shift === outer.bits >> shift;
}

/**
 * The address and, for an IPv6 address with an IPv4 address in it, that too: it may be where the packets go. Mapped
 * (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`), translated (`64:ff9b::/96`, `64:ff9b:1::/48`) and 6to4 (`2002::/16`).
 */
export function standsFor(address: IpRange): IpRange[] {
  if (address.family === 4) return [address];
  const { bits } = address;
  const found = [address];
  const v4 = (value: bigint): void => void found.push({ family: 4, bits: value & 0xffff_ffffn, prefix: 32 });
  const high96 = bits >> 32n;
  if (high96 === 0xffffn || (high96 === 0n && bits > 1n)) v4(bits);
  if (high96 === 0x0064_ff9b_0000_0000_0000_0000n || bits >> 80n === 0x0064_ff9b_0001n) v4(bits);
  if (bits >> 112n === 0x2002n) v4(bits >> 80n);
  return found;
}

function v4Bits(text: string): bigint {
  return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(Number(part)), 0n);
}

function v6Bits(text: string): bigint {
  // A tail in dotted form is two groups.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const low = v4Bits(dotted[2]!);
    text = `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [left = "", right] = text.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const gap: string[] = Array(8 - head.length - tail.length).fill("0");
  const all = right === undefined ? head : [...head, ...gap, ...tail];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
}
