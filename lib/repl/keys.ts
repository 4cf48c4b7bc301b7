/** Cuts what a terminal sends into keys, pasted texts and typed texts. */

/** What the user did: named keys are like `ctrl-a`, `alt-b`, `up`, `enter`. */
export type Key =
  | { kind: "key"; name: string }
  | { kind: "text"; text: string }
  | { kind: "paste"; text: string };

const ESC = 0x1b;
const pasteEnd = "\x1b[201~";

const finals: Record<string, string> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
  Z: "shift-tab",
};
const numbers: Record<string, string> = {
  "1": "home",
  "3": "delete",
  "4": "end",
  "7": "home",
  "8": "end",
};
const controls: Record<number, string> = {
  8: "backspace",
  9: "tab",
  10: "enter",
  13: "enter",
  28: "ctrl-\\",
  29: "ctrl-]",
  31: "ctrl-_",
  127: "backspace",
};

/** Takes bytes as they come; a key cut in two is held until the rest is there. */
export class KeyDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #paste: string | undefined;
  #pasteDecoder = new TextDecoder();

  push(bytes: Uint8Array): void {
    if (this.#bytes.length === 0) {
      this.#bytes = bytes;
      return;
    }
    const whole = new Uint8Array(this.#bytes.length + bytes.length);
    whole.set(this.#bytes);
    whole.set(bytes, this.#bytes.length);
    this.#bytes = whole;
  }

  /** What has not become a key yet, for whoever reads next. */
  rest(): Uint8Array {
    const rest = this.#bytes;
    this.#bytes = new Uint8Array(0);
    return rest;
  }

  /** The next key; undefined when more bytes are needed. */
  next(): Key | undefined {
    for (;;) {
      if (this.#paste !== undefined) return this.#nextOfPaste();
      const first = this.#bytes[0];
      if (first === undefined) return undefined;
      if (first !== ESC) return first < 0x20 || first === 0x7f ? this.#control(first) : this.#text();
      const sequence = this.#sequence();
      if (sequence === undefined) return undefined;
      if (sequence.name === "paste-start") {
        this.#paste = "";
        continue;
      }
      return sequence;
    }
  }

  #take(count: number): string {
    const text = new TextDecoder().decode(this.#bytes.subarray(0, count));
    this.#bytes = this.#bytes.subarray(count);
    return text;
  }

  #control(code: number): Key {
    this.#take(1);
    return { kind: "key", name: controls[code] ?? `ctrl-${String.fromCharCode(code + 0x60)}` };
  }

  #text(): Key | undefined {
    const bytes = this.#bytes;
    let end = bytes.findIndex((byte) => byte < 0x20 || byte === 0x7f);
    if (end < 0) end = bytes.length - unfinished(bytes);
    return end > 0 ? { kind: "text", text: this.#take(end) } : undefined;
  }

  /** A key that begins with Escape; a lone one waits for what follows, as if it were Alt. */
  #sequence(): Extract<Key, { kind: "key" }> | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const second = String.fromCharCode(bytes[1]!);
    if (second === "\x1b") {
      this.#take(1);
      return { kind: "key", name: "escape" };
    }
    if (second !== "[" && second !== "O") {
      const code = bytes[1]!;
      this.#take(2);
      if (code < 0x20 || code === 0x7f) {
        return { kind: "key", name: `alt-${controls[code] ?? `ctrl-${String.fromCharCode(code + 0x60)}`}` };
      }
      return { kind: "key", name: `alt-${second.toLowerCase()}` };
    }
    let end = 2;
    while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! < 0x40) end++;
    if (end === bytes.length) return undefined;
    const parameters = String.fromCharCode(...bytes.subarray(2, end));
    const final = String.fromCharCode(bytes[end]!);
    this.#take(end + 1);
    if (final === "~" && parameters === "200") return { kind: "key", name: "paste-start" };
    const [number = "", modifier] = parameters.split(";");
    const name = final === "~" ? numbers[number] : finals[final];
    const prefix = modifier === "5" ? "ctrl-" : modifier === "3" ? "alt-" : "";
    return { kind: "key", name: name ? prefix + name : "unknown" };
  }

  #nextOfPaste(): Key | undefined {
    const text = latin1(this.#bytes);
    const end = text.indexOf(pasteEnd);
    const taken = end < 0 ? Math.max(0, this.#bytes.length - (pasteEnd.length - 1)) : end;
    this.#paste += this.#pasteDecoder.decode(this.#bytes.subarray(0, taken), { stream: end < 0 });
    this.#bytes = this.#bytes.subarray(end < 0 ? taken : end + pasteEnd.length);
    if (end < 0) return undefined;
    const pasted = this.#paste!;
    this.#paste = undefined;
    // Terminals send a carriage return where the text has a newline.
    return { kind: "paste", text: pasted.replace(/\r\n?/g, "\n") };
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** Length of the begun character at the end. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
