/** A use that cannot work; the message says what was wanted. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
