import { expect, it } from "vitest";
import { diagnosisLines } from "./diagnosis.ts";

it("a diagnosis stands with its remedy, and one of several faults has a line for each", () => {
  const lines = diagnosisLines([
    { subject: "keys", status: "ok", message: "2 recipients", remedy: null },
    { subject: "configuration", status: "error", message: "a.yaml:1: x\na.yaml:2: y\u001b[2J", remedy: "Correct them." },
  ]);
  expect(lines.split("\n")).toEqual(["ok       keys: 2 recipients", "ERROR    configuration:", "         a.yaml:1: x", "         a.yaml:2: y\\x1b[2J", "         → Correct them."]);
});
