import type { Diagnosis } from "../model/api/system.ts";
import { printable } from "./text.ts";

const MARKS = { ok: "ok     ", warning: "warning", error: "ERROR  " } as const;
const INDENT = " ".repeat(9);

export function diagnosisLines(diagnoses: readonly Diagnosis[]): string {
  return diagnoses.flatMap(linesOf).join("\n");
}

/** A configuration with several faults is one diagnosis with several lines. */
function linesOf({ subject, status, message, remedy }: Diagnosis): string[] {
  const [first = "", ...others] = message.split("\n").map(printable);
  const head = `${MARKS[status]}  ${printable(subject)}: ${others.length === 0 ? first : ""}`.trimEnd();
  const faults = others.length === 0 ? [] : [first, ...others].map((line) => `${INDENT}${line}`);
  return [head, ...faults, ...(remedy === null ? [] : [`${INDENT}→ ${printable(remedy)}`])];
}
