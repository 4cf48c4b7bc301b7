/** Where requests may go: rules by name, address and port, asked before and after a name is resolved. */

import { type IpRange, parseAddress, parseRange, sameAs, standsFor, within } from "./addresses.ts";
import { HttpFailure } from "./failure.ts";

/** One rule of `--http-allow` or `--http-deny`. */
export interface PolicyRule {
  /** As it was written. */
  text: string;
  /** A host name in lower case, or `.example.com` for all below it; undefined where the rule is about addresses. */
  name: string | undefined;
  /** The rule is `*`. */
  all: boolean;
  range: IpRange | undefined;
  /** Undefined for every port. */
  port: number | undefined;
}

/**
 * `NAME`, `*.NAME`, `ADDRESS`, `ADDRESS/PREFIX` or `*`, each with `:PORT` or without; an IPv6 address with a port is
 * in brackets. Undefined when the text is none of these.
 */
export function parseRule(text: string): PolicyRule | undefined {
  const whole = parseRange(text.replace(/^\[([^\]]*)\]$/, "$1"));
  if (whole) return { text, name: undefined, all: false, range: whole, port: undefined };
  const match = /^(?:\[([^\]]+)\](\/\d+)?|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const host = match[3] ?? `${match[1]}${match[2] ?? ""}`;
  const port = match[4] === undefined ? undefined : Number(match[4]);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  if (host === "*") return { text, name: undefined, all: true, range: undefined, port };
  const range = parseRange(host);
  if (range) return { text, name: undefined, all: false, range, port };
  if (match[1] !== undefined || !/^(\*\.)?[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_])?$/u.test(host))
    return undefined;
  // What looks like an address and is none is a slip, not a name.
  if (/^[\d.]+$/.test(host)) return undefined;
  const name = asciiName(host.replace(/^\*\./, ""));
  if (name === undefined) return undefined;
  return { text, name: host.startsWith("*.") ? `.${name}` : name, all: false, range: undefined, port };
}

/** The addresses that no request goes to by default: they give out credentials, or belong to one link. */
const dangerous = [
  ["169.254.0.0/16", "a link-local address, where clouds give out credentials"],
  ["fe80::/10", "a link-local address"],
  ["fd00:ec2::/32", "the metadata service of a cloud"],
  ["fd20:ce::/32", "the metadata service of a cloud"],
  ["100.100.100.200", "the metadata service of a cloud"],
  ["168.63.129.16", "the metadata service of a cloud"],
  ["192.0.0.192", "the metadata service of a cloud"],
] as const;
/** Names of such addresses. */
const metadataNames: ReadonlySet<string> = new Set([
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);
let dangerousRanges: readonly (readonly [range: IpRange, what: string])[] | undefined;

const MAX_PASSED = 1000;

/** What a client may have the server ask. */
export class HttpPolicy {
  readonly #allow: readonly PolicyRule[];
  readonly #deny: readonly PolicyRule[];
  /** Hosts and ports that have passed lately: what is said before a name is resolved does not change. */
  readonly #passed = new Set<string>();

  constructor(allow: readonly PolicyRule[] = [], deny: readonly PolicyRule[] = []) {
    this.#allow = allow;
    this.#deny = deny;
  }

  /**
   * What can be said before the name is resolved.
   * @throws {HttpFailure} `policy`
   */
  checkHost(hostname: string, port: number): void {
    const key = `${hostname} ${port}`;
    if (this.#passed.has(key)) return;
    this.#checkHost(hostname, port);
    if (this.#passed.size >= MAX_PASSED) this.#passed.clear();
    this.#passed.add(key);
  }

  #checkHost(hostname: string, port: number): void {
    const address = parseAddress(hostname);
    if (address) {
      this.checkAddress(hostname, address, port);
      return;
    }
    const name = canonicalName(hostname);
    const denied = this.#deny.find(
      (rule) => matchesPort(rule, port) && (rule.all || matchesName(rule, name)),
    );
    if (denied) throw refusal(hostname, port, `--http-deny ${denied.text} says so`);
    // A proxy may resolve it where we cannot.
    if (
      metadataNames.has(name) &&
      !this.#allow.some((rule) => rule.name === name && matchesPort(rule, port))
    ) {
      throw refusal(hostname, port, "it is the metadata service of a cloud");
    }
    if (this.#allow.length === 0) return;
    // A rule about addresses may yet allow it.
    if (
      this.#allow.some(
        (rule) => matchesPort(rule, port) && (rule.all || rule.range || matchesName(rule, name)),
      )
    )
      return;
    throw refusal(hostname, port, "no --http-allow rule names it");
  }

  /**
   * Asked for each address that a name stands for, before it is connected to.
   * @throws {HttpFailure} `policy`
   */
  checkAddress(hostname: string, address: IpRange, port: number): void {
    // Denied is all that it may lead to, allowed only what it is.
    const forms = standsFor(address);
    const fits = (rule: PolicyRule, among = sameAs(address)): boolean =>
      matchesPort(rule, port) && among.some((form) => rule.range !== undefined && within(form, rule.range));
    const denied = this.#deny.find((rule) => fits(rule, forms) || (rule.all && matchesPort(rule, port)));
    if (denied) throw refusal(hostname, port, `--http-deny ${denied.text} says so`);
    dangerousRanges ??= dangerous.map(([text, what]) => [parseRange(text)!, what]);
    for (const [range, what] of dangerousRanges) {
      if (!forms.some((form) => within(form, range))) continue;
      // Only a rule that means just such addresses lifts it: `0.0.0.0/0` was not written with them in mind.
      const lifted = this.#allow.some(
        (rule) => fits(rule) && rule.range !== undefined && within(rule.range, range),
      );
      if (!lifted) throw refusal(hostname, port, `it is ${what}`);
    }
    if (this.#allow.length === 0) return;
    const name = canonicalName(hostname);
    const allowed = this.#allow.some(
      (rule) => fits(rule) || (matchesPort(rule, port) && (rule.all || matchesName(rule, name))),
    );
    if (!allowed) throw refusal(hostname, port, "no --http-allow rule names it");
  }
}

function matchesPort(rule: PolicyRule, port: number): boolean {
  return rule.port === undefined || rule.port === port;
}

function matchesName(rule: PolicyRule, name: string): boolean {
  if (rule.name === undefined) return false;
  return rule.name.startsWith(".") ? name.endsWith(rule.name) : name === rule.name;
}

/** As a URL has it, which is what it will be compared with. */
function asciiName(name: string): string | undefined {
  const url = `http://${name}/`;
  return URL.canParse(url) ? canonicalName(new URL(url).hostname) : undefined;
}

function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** The address that a name has led to is not told: it says something about the network here. */
function refusal(hostname: string, port: number, why: string): HttpFailure {
  return new HttpFailure("policy", `this server makes no requests to "${hostname}" port ${port}: ${why}`);
}
