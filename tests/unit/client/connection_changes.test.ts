import { expect, spyOn, test } from "bun:test";
import { ConnectionChanges } from "../../../lib/client/connection_changes.ts";

test("a listener that fails keeps the news from nobody, and its fault is thrown where nobody catches it", () => {
  const changes = new ConnectionChanges();
  const told: string[] = [];
  changes.add(() => {
    throw new Error("a fault of the listener");
  });
  const undo = changes.add(({ kind }) => void told.push(kind));
  const later = spyOn(globalThis, "queueMicrotask").mockImplementation(() => {});
  try {
    changes.tell({ kind: "resumed" });
    expect(() => later.mock.calls[0]![0]()).toThrow("a fault of the listener");
    undo();
    changes.tell({ kind: "resumed" });
  } finally {
    later.mockRestore();
  }
  expect(told).toEqual(["resumed"]);
});
