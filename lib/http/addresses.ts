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

const LOOPBACK: readonly IpRange[] = [
  { family: 4, bits: 0x7f00_0001n, prefix: 32 },
  { family: 6, bits: 1n, prefix: 128 },
];

/** The address, and the same one of IPv4 where it is mapped (`::ffff:a.b.c.d`). */
export function sameAs(address: IpRange): IpRange[] {
  const isMapped = address.family === 6 && address.bits >> 32n === 0xffffn;
  return isMapped ? [address, v4(address.bits)] : [address];
}

/**
 * The address, and what packets to it may reach.
 *
 * - An address of IPv4 in it: mapped, compatible (`::a.b.c.d`), translated (`64:ff9b::/96`, and `64:ff9b:1::/48` by prefixes
 *   of any length), 6to4 (`2002::/16`), Teredo (`2001::/32`) and ISATAP (`…:5efe:a.b.c.d`).
 * - This machine, if it is no address in particular.
 */
export function standsFor(address: IpRange): IpRange[] {
  const same = sameAs(address);
  if (same.at(-1)!.bits === 0n) return [...same, ...LOOPBACK];
  return address.family === 4 ? same : [...same, ...v4Within(address.bits).map(v4)];
}

function v4Within(bits: bigint): bigint[] {
  const high96 = bits >> 32n;
  if ((high96 === 0n && bits > 1n) || high96 === 0x0064_ff9b_0000_0000_0000_0000n) return [bits];
  if (bits >> 112n === 0x2002n) return [bits >> 80n];
  // Written inverted.
  if (bits >> 96n === 0x2001_0000n) return [~bits];
  if ((high96 & 0xfdff_ffffn) === 0x5efen) return [bits];
  if (bits >> 80n !== 0x0064_ff9b_0001n) return [];
  // Behind a prefix of 96 bits, or of 48, 56 or 64, where the ninth byte is none of the address (RFC 6052, 2.2).
  const withoutByte = ((bits >> 64n) << 56n) | (bits & 0xff_ffff_ffff_ffffn);
  return [bits, withoutByte >> 40n, withoutByte >> 32n, withoutByte >> 24n];
}

function v4(bits: bigint): IpRange {
  return { family: 4, bits: bits & 0xffff_ffffn, prefix: 32 };
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
