import { expect, test } from "bun:test";
import { type TypedEvent, TypedInput } from "../../../lib/repl/typed_input.ts";

function typed(text: string): { events: TypedEvent[]; rest: string; shown: string } {
  let shown = "";
  const input = new TypedInput((echo) => (shown += echo));
  input.push(new TextEncoder().encode(text));
  const events: TypedEvent[] = [];
  for (let event = input.next(); event; event = input.next()) events.push(event);
  return { events, rest: new TextDecoder().decode(input.rest()), shown };
}

test("a line that was begun is left for whoever reads next, as by the system's terminal driver", () => {
  expect(typed("one\rtwo é\tx\x7fy\x1b")).toEqual({
    events: [{ kind: "line", text: "one" }],
    rest: "two é\ty\x1b",
    shown: "one\ntwo é\tx\b \by",
  });
});

test("Ctrl-C and Ctrl-Z drop what was begun, and Ctrl-D sends it", () => {
  expect(typed("a\x03")).toMatchObject({ events: [{ kind: "interrupt" }], rest: "" });
  expect(typed("a\x1a")).toMatchObject({ events: [{ kind: "background" }], rest: "" });
  expect(typed("a\x04")).toMatchObject({ events: [{ kind: "part", text: "a" }], rest: "" });
});
