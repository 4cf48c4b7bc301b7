/**
 * What is asked of the server and the client, each with its source: a section of the protocol, of the client's
 * rules, or of the project's brief. Tests cite the ids; tests/repo/requirements.test.ts sees to it that each has one.
 */

export const requirements = {
  "envelope: ids come back as they were": "protocol §2.1",
  "envelope: an id in flight twice is answered twice": "protocol §2.1",
  "envelope: jsonrpc is never sent and never looked at": "protocol §2.1",
  "envelope: unknown members are ignored": "protocol §2.1",
  "envelope: a method without parameters takes none, null and {}": "protocol §2.1",
  "faults: what is no JSON is answered with id -1": "protocol §2.3",
  "faults: what is no message is answered with id -1": "protocol §2.3",
  "faults: an id that is none is answered with id -1": "protocol §2.3",
  "faults: nesting and values are limited": "protocol §2.3",
  "faults: a notification or an answer out of place closes": "protocol §2.3",
  "faults: an unknown method is named in the answer": "protocol §2.3",
  "faults: parameters that do not decode are -32602": "protocol §2.2, §2.3",
  "handshake: a request before initialize is refused": "protocol §2.3",
  "handshake: a request between initialize and initialized is refused": "protocol §2.3",
  "handshake: parameters are looked at before the order": "protocol §2.3",
  "handshake: a second initialize is refused": "protocol §2.3",
  "handshake: a failed initialize may be tried again": "protocol §2.3, §3 rules 5 and 6",
  "handshake: initialized before initialize closes": "protocol §2.3",
  "handshake: initialized may come again, with anything": "protocol §2.3",
  "handshake: the answer has a session id and, of recent servers, what the machine is": "protocol §3",
  "methods: those of the table are known, others are not": "protocol §2.4, §7",
  "environment/status: says ready": "protocol §2.4",
} as const satisfies Record<string, string>;

/** A sentence of the table. */
export type RequirementId = keyof typeof requirements;
