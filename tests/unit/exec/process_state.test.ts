import { expect, test } from "bun:test";
import { processExited, processFailed, processRunning } from "../../../lib/exec/process_state.ts";

test("exited sets the code and keeps a failure", () => {
  expect(processExited(processRunning, 3)).toEqual({ hasExited: true, exitCode: 3 });
  expect(processExited(processFailed(processRunning, "lost"), 3)).toEqual({
    hasExited: true,
    exitCode: 3,
    failureMessage: "lost",
  });
});

test("failed sets the end and the message, and keeps a code", () => {
  expect(processFailed(processRunning, "lost")).toEqual({ hasExited: true, failureMessage: "lost" });
  expect(processFailed(processExited(processRunning, 0), "lost")).toEqual({
    hasExited: true,
    exitCode: 0,
    failureMessage: "lost",
  });
});

test("a transition leaves the state that it came from", () => {
  processExited(processRunning, 1);
  expect(processRunning).toEqual({ hasExited: false });
});
