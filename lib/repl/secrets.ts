/** Tells lines that must not be kept. */

const secretName =
  "[A-Za-z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY)[A-Za-z0-9_]*";
const secretPatterns = [
  // NAME=value, but not NAME= and not NAME=$OTHER or NAME=$(command)
  new RegExp(`(?:^|[\\s;&|(])(?:export\\s+)?${secretName}=["']?[^\\s"'$]`, "i"),
  /--?(?:password|passwd|passphrase|token|secret|api-?key|access-?key|auth-?token|client-?secret)(?:[= ]["']?)[^\s"'$-]/i,
  /(?:proxy-)?authorization\s*[:=]/i,
  /\bbearer\s+[^\s$"']{6,}/i,
  // https://user:password@host
  /\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]+:[^/\s@$]+@/i,
  /\b(?:curl|wget|http)\b.*\s(?:-u|--user)[= ]?["']?[^\s:]+:[^\s$]/,
  /\b(?:mysql|mysqldump|mariadb)\b.*\s-p[^\s$]/,
  /\bsshpass\s+-p/,
  /\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_][A-Za-z0-9_-]{8,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[A-Z0-9]{16}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY/,
];

/** Whether a line looks like it holds a password, a token or a key. Errs on the side of forgetting. */
export function holdsSecret(line: string): boolean {
  return secretPatterns.some((pattern) => pattern.test(line));
}
