/** Which texts want another line. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { CommandScan, isIncomplete } from "../../../lib/repl/incomplete.ts";

const whole = [
  "",
  "echo hi",
  "echo 'a b' \"c $d\" e\\ f",
  "echo done; echo fi; echo { }",
  "if true; then echo x; fi",
  "for i in a b; do echo $i; done",
  "for i\nin a b\ndo echo $i\ndone",
  "while read x; do echo $x; done < file",
  "case $x in a) echo 1;; (b) echo 2;; *) ;; esac",
  "case x in\nx) if true; then echo; fi ;;\nesac",
  "f() { echo hi; }",
  "function g { echo hi; }",
  "f() (\n echo x\n)",
  "(cd /; ls)",
  "{ echo a; }",
  "echo $(ls | wc -l) `date`",
  'echo "$(echo ")" "x")"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
  'echo "${x:-"a}b"}"',
  "echo $((1 + (2 * 3)))",
  "echo a # it's a comment",
  "echo a#'b'",
  "cat <<EOF\nit's \"open\nEOF",
  "cat <<-'EOF'\n\tx\n\tEOF",
  "cat <<A; cat <<B\na\nA\nb\nB",
  "cat <<< word",
  "a=(1 2 3)",
  "echo a &",
  "true && false || echo x",
  "[[ a < b && c > d ]]",
  "echo $'it\\'s'",
  "echo if while case",
  "x=if; echo $x",
  "! true",
  "time ls",
  "echo {a,b}",
  "find . -exec echo {} \\;",
  "until false; do break; done",
  "if a; then b; elif c; then d; else e; fi",
];

const begun = [
  "echo 'a",
  'echo "a',
  "echo a \\",
  "if true",
  "if true; then",
  "for i in a b",
  "for i in a b; do",
  "while true; do echo x",
  "case $x in",
  "case $x in a)",
  "f() {",
  "{ echo a",
  "(echo a",
  "echo $(ls",
  "echo `ls",
  "echo ${x",
  "cat <<EOF",
  "cat <<EOF\nbody",
  "cat <<-EOF\n\tbody",
  "echo a |",
  "echo a &&",
  "true ||",
  'echo "$(echo "a',
  "for i in 1; do if true; then echo; done",
];

describe("isIncomplete()", () => {
  test.each(whole)("takes %p as whole", (text) => expect(isIncomplete(text)).toBe(false));
  test.each(begun)("asks for more after %p", (text) => expect(isIncomplete(text)).toBe(true));

  test("agrees with bash about every begin of a script that ends with a line", () => {
    const lines = whole.filter((text) => text.includes("\n") || /\b(if|for|case|while)\b/.test(text));
    for (const text of lines) {
      const parts = text.split("\n");
      for (let count = 1; count <= parts.length; count++) {
        const begin = parts.slice(0, count).join("\n");
        const { stderr } = spawnSync("bash", ["-n", "-c", begin], { encoding: "utf8" });
        const wantsMore = /unexpected end of file|unexpected EOF|delimited by end-of-file/.test(stderr);
        expect([begin, isIncomplete(begin)]).toEqual([begin, wantsMore]);
      }
    }
  });

  test("line by line is as all at once", () => {
    const more = [
      "\\",
      "'",
      '"',
      "$'it\\'",
      "`",
      "((",
      "))",
      "${x",
      "}",
      "EOF",
      "\tEOF",
      "A",
      "f()",
      "done",
      "fi",
      "esac",
    ];
    const line = fc.array(
      fc.constantFrom(...[...whole, ...begun].flatMap((text) => text.split("\n")), ...more),
      {
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const command = new CommandScan();
        let text = "";
        for (const [i, words] of lines.entries()) {
          text += `${i === 0 ? "" : "\n"}${words.join(" ")}`;
          const awaited = command.read(text);
          expect([text, awaited]).toEqual([text, new CommandScan().read(text)]);
          if (!awaited) return;
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("is quick for a long line", () => {
    const begin = performance.now();
    expect(isIncomplete(`echo ${"word ".repeat(50_000)}`)).toBe(false);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});
