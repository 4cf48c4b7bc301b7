/** What names of headers and methods are made of (RFC 9110, section 5.6.2). */

const token = /^[\w!#$%&'*+.^`|~-]+$/;

export function isHttpToken(text: string): boolean {
  return token.test(text);
}
