/** The version of this program, the same as in package.json and deno.json; a test compares them. */
export const version = "0.1.0";
