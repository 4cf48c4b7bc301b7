/** Whether a text is a whole shell command, or wants more lines: an open quote, a heredoc, `if` without `fi`. */

/** What is open and has to be ended. */
type Open = "(" | "{" | "if" | "case" | "do" | "loop" | '"' | "${" | "((" | "`";

const openers: Record<string, Open> = {
  if: "if",
  case: "case",
  for: "loop",
  while: "loop",
  until: "loop",
  select: "loop",
  "{": "{",
};
const closers: Record<string, Open> = { fi: "if", esac: "case", done: "do", "}": "{" };
/** After these words a command begins. */
const beforeCommand = new Set(["if", "then", "elif", "else", "do", "while", "until", "!", "{", "time"]);

interface Heredoc {
  delimiter: string;
  stripTabs: boolean;
}

/**
 * Reads POSIX shell with the common additions of bash and zsh. A mistake costs little: the shell itself says
 * what is wrong, or the user ends the text with Ctrl-C.
 */
export function isIncomplete(text: string): boolean {
  return new CommandScan().read(text) !== undefined;
}

/** What a text waits for; undefined when it is whole. */
export interface Awaited {
  /** Only a line like this, but for tabs before it, can make a difference. */
  heredoc?: string;
}

/** How far a text has been read, and what is open there. */
interface Progress {
  at: number;
  stack: Open[];
  heredocs: Heredoc[];
  /** A command may begin here, so that reserved words count. */
  atCommand: boolean;
  /** The last thing was `|`, `&&` or `||`. */
  wantsMore: boolean;
}

/** Reads one command, to which lines are added until it is whole. */
export class CommandScan {
  readonly #progress: Progress = { at: 0, stack: [], heredocs: [], atCommand: true, wantsMore: false };

  /**
   * Says what {@link isIncomplete} says, and a little more.
   * @param text What was given before, with more lines behind it.
   */
  read(text: string): Awaited | undefined {
    return scan(text, this.#progress);
  }
}

/** Goes on from where it was, and notes where it is. */
function scan(text: string, progress: Progress): Awaited | undefined {
  const { stack, heredocs } = progress;
  let { at, atCommand, wantsMore } = progress;
  const top = (): Open | undefined => stack.at(-1);
  /** What is at this place is to be read again when there is more. */
  const wait = (awaited: Awaited = {}): Awaited => {
    Object.assign(progress, { at, atCommand, wantsMore });
    return awaited;
  };

  while (at < text.length) {
    const char = text[at]!;
    const quoted = top() === '"';
    if (char === "\\") {
      if (at + 1 >= text.length) return wait();
      // A newline behind it joins the lines; at the very end the next line is still to come.
      if (text[at + 1] === "\n" && at + 2 >= text.length) return wait();
      if (text[at + 1] !== "\n") atCommand = wantsMore = false;
      at += 2;
      continue;
    }
    if (char === '"') {
      if (quoted) stack.pop();
      else stack.push('"');
      atCommand = wantsMore = false;
      at++;
      continue;
    }
    if (char === "`") {
      if (stack.includes("`")) while (stack.pop() !== "`");
      else stack.push("`");
      atCommand = top() === "`";
      at++;
      continue;
    }
    if (char === "$" && (text[at + 1] === "(" || text[at + 1] === "{")) {
      const arithmetic = text.startsWith("$((", at);
      stack.push(arithmetic ? "((" : text[at + 1] === "(" ? "(" : "${");
      atCommand = text[at + 1] === "(" && !arithmetic;
      wantsMore = false;
      at += arithmetic ? 3 : 2;
      continue;
    }
    if (top() === "${" && char === "}") {
      stack.pop();
      atCommand = false;
      at++;
      continue;
    }
    if (top() === "((" && char === ")") {
      if (text[at + 1] === ")") at++;
      stack.pop();
      atCommand = false;
      at++;
      continue;
    }
    if (quoted) {
      at++;
      continue;
    }
    if (char === "'") {
      const isEscaped = text[at - 1] === "$";
      const end = endOfQuote(text, at, isEscaped);
      if (end === undefined) return wait();
      atCommand = wantsMore = false;
      at = end + 1;
      continue;
    }
    if (top() === "${" || top() === "((") {
      if (top() === "((" && char === "(") stack.push("((");
      at++;
      continue;
    }
    if (char === "#" && (at === 0 || /[\s;&|()]/.test(text[at - 1]!))) {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
      continue;
    }
    if (char === "\n") {
      for (let heredoc = heredocs[0]; heredoc; heredoc = heredocs[0]) {
        const end = endOfHeredoc(text, at + 1, heredoc);
        if (end === undefined) return wait({ heredoc: heredoc.delimiter });
        heredocs.shift();
        at = end;
      }
      at++;
      atCommand = true;
      continue;
    }
    if (char === " " || char === "\t") {
      at++;
      continue;
    }
    if (char === "<" && text[at + 1] === "<" && text[at + 2] !== "<") {
      const heredoc = /^<<(-?)[ \t]*(?:'([^'\n]*)'|"([^"\n]*)"|([^\s;&|<>()]+))/.exec(
        text.slice(at, at + 512),
      );
      if (heredoc) {
        const [whole, dash, single, double, plain] = heredoc;
        heredocs.push({
          delimiter: single ?? double ?? plain!.replaceAll("\\", ""),
          stripTabs: dash === "-",
        });
        at += whole.length;
        atCommand = wantsMore = false;
        continue;
      }
    }
    if (char === "<" || char === ">") {
      at += text[at + 1] === char || text[at + 1] === "&" ? 2 : 1;
      wantsMore = false;
      continue;
    }
    if (char === "(") {
      stack.push("(");
      atCommand = true;
      wantsMore = false;
      at++;
      continue;
    }
    if (char === ")") {
      // In `case` it ends a pattern.
      if (top() === "(") {
        stack.pop();
        // A function: its body may be on the next line, but an empty `()` looks like this only there.
        wantsMore =
          /[\w-]\s*\(\s*\)$/.test(text.slice(Math.max(0, at - 64), at + 1)) && isFunctionHead(text, at);
        atCommand = wantsMore;
      } else {
        atCommand = true;
      }
      at++;
      continue;
    }
    if (char === ";" || char === "&" || char === "|") {
      const two = text.slice(at, at + 2);
      wantsMore = two === "&&" || two === "||" || (char === "|" && two !== "|&") || two === "|&";
      at += [";;", "&&", "||", "|&", ";&", "&>"].includes(two) ? 2 : 1;
      atCommand = two !== "&>";
      continue;
    }
    const word = /^[^\s;&|()<>"'`$\\]+/.exec(text.slice(at, at + 256))?.[0];
    if (word === undefined) {
      atCommand = wantsMore = false;
      at++;
      continue;
    }
    at += word.length;
    wantsMore = false;
    // Part of a longer word, like `fi$x`.
    const isWhole = at >= text.length || /[\s;&|()<>]/.test(text[at]!);
    if (!atCommand || !isWhole) {
      // `for x in`, `case x in`: the words behind stand where no command does.
      atCommand = /^[A-Za-z_]\w*\+?=/.test(word) && atCommand;
      if (word === "do" && top() === "loop") stack[stack.length - 1] = "do";
      continue;
    }
    if (word === "do") {
      if (top() === "loop") stack[stack.length - 1] = "do";
    } else if (Object.hasOwn(openers, word)) {
      stack.push(openers[word]!);
    } else if (Object.hasOwn(closers, word)) {
      if (top() === closers[word]) stack.pop();
    }
    atCommand = beforeCommand.has(word) || /^[A-Za-z_]\w*\+?=/.test(word);
  }
  return stack.length > 0 || heredocs.length > 0 || wantsMore ? wait() : undefined;
}

/** Index of the `'` that ends what the one at `at` begins; undefined when it is not there. */
function endOfQuote(text: string, at: number, isEscaped: boolean): number | undefined {
  for (let from = at + 1; ; ) {
    const end = text.indexOf("'", from);
    if (end < 0) return undefined;
    if (!isEscaped || backslashesBefore(text, end, at) % 2 === 0) return end;
    from = end + 1;
  }
}

function backslashesBefore(text: string, end: number, begin: number): number {
  let count = 0;
  while (end - 1 - count > begin && text[end - 1 - count] === "\\") count++;
  return count;
}

/** Index of the line end behind a heredoc that begins at `at`, or of the end of the text; undefined when its end is not there. */
function endOfHeredoc(text: string, at: number, { delimiter, stripTabs }: Heredoc): number | undefined {
  for (let start = at; start < text.length; ) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const line = text.slice(start, end);
    if ((stripTabs ? line.replace(/^\t+/, "") : line) === delimiter) return end;
    start = end + 1;
  }
  return undefined;
}

/** The head of a function is no longer than this. */
const HEAD_LENGTH = 256;

/** `name ()` at the begin of a command. */
function isFunctionHead(text: string, closing: number): boolean {
  return /(?:^|[\n;&|{(]\s*|\b(?:then|do|else)\s+)(?:function\s+)?[\w-]+\s*\(\s*\)$/.test(
    text.slice(Math.max(0, closing - HEAD_LENGTH), closing + 1),
  );
}
