/** What the library's door lets through. */

import { expect, test } from "bun:test";
import { blank, listFiles, readText } from "./source.ts";

/** Of lib/protocol, what is no shape of the wire. */
const withoutShapes = /\/(errors|methods|schema)\.ts$/;

test("every shape of the protocol is exported", () => {
  const door = blank(readText("mod.ts"), { strings: true });
  const exports = [...door.matchAll(/^export (?:type )?(?:\*|\{([^}]*)\}) from "\.\/([^"]+)";/gm)].map(
    ([, list, from]) => ({ from, items: list?.split(",").map(exportedItem) }),
  );
  const missing = listFiles()
    .filter((file) => file.startsWith("lib/protocol/") && !withoutShapes.test(file))
    .flatMap((file) => {
      const [own, others] = [true, false].map((is) => exports.filter(({ from }) => (from === file) === is));
      // What is named from elsewhere hides what a star would bring.
      const hidden = new Set(others!.flatMap(({ items }) => (items ?? []).map(({ here }) => here)));
      const isExported = (name: string): boolean =>
        own!.some(({ items }) => (items ? items.some(({ there }) => there === name) : !hidden.has(name)));
      const shapes = [...readText(file).matchAll(/^export (?:interface|type) (\w+)/gm)];
      return shapes.map(([, name]) => name!).filter((name) => !isExported(name));
    });
  expect(missing, "export them from mod.ts").toEqual([]);
});

/** `type A as B` in an export. */
function exportedItem(text: string): { there: string; here: string } {
  const [there = "", here = there] = text
    .trim()
    .replace(/^type /, "")
    .split(" as ");
  return { there, here };
}
