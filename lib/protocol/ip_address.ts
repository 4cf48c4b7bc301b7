/**
 * What is an IP address. Not by `node:net`, which costs a start 2 ms and 6 MB that a server has no other use for, nor by
 * `URL`: Bun 1.4.5 refuses `1:2:3:4::1.2.3.4`.
 */

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const v4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
const group = /^[\da-f]{1,4}$/i;
const zone = /%[\da-z.:-]+$/i;

/** 4 or 6 for an address, the latter without brackets and perhaps with a zone; 0 for anything else. */
export function isIP(text: string): 0 | 4 | 6 {
  if (v4.test(text)) return 4;
  return text.includes(":") && isV6(text.replace(zone, "")) ? 6 : 0;
}

function isV6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  let count = groups.length;
  // The last 32 bits may be written as an IPv4 address.
  if (text.includes(".") && !text.endsWith("::")) {
    if (!v4.test(groups.pop()!)) return false;
    count++;
  }
  return groups.every((one) => group.test(one)) && (halves.length === 2 ? count <= 7 : count === 8);
}
