import type { Sandbox } from "../engines/engine.ts";
import type { ObjectDigest, TableCount } from "../model/backup-index.ts";
import type { Assertion } from "../model/policy.ts";
import type { CheckResult } from "../model/verification.ts";
import { verdict } from "./verdict.ts";

/** T3 and T4: what a throwaway server on the restored data says, against what was recorded. */

export async function checkTablesOf(sandbox: Sandbox, signal: AbortSignal): Promise<CheckResult> {
  return verdict("T3", "check tables", await sandbox.checkTables(signal), "CHECK TABLE ran on every table");
}

/**
 * Only what was recorded is compared: an account with few rights records fewer definitions than the sandbox, where
 * everything can be seen, shows.
 */
export function checkObjects(expected: readonly ObjectDigest[], found: readonly ObjectDigest[]): CheckResult {
  const key = (object: ObjectDigest): string => `${object.kind} ${object.name}`;
  const foundByKey = new Map(found.map((object) => [key(object), object.sha256]));
  const differences = expected.flatMap((object) => {
    const sha256 = foundByKey.get(key(object));
    if (sha256 === undefined) return [`${key(object)} is missing`];
    return sha256 === object.sha256 ? [] : [`${key(object)} is defined differently`];
  });
  return verdict("T3", "definitions", differences, `${String(expected.length)} definitions (tables, views, routines, triggers, events, sequences, accounts) compared`);
}

/** A table that lost more of its rows than the tolerance allows since the last verified restore, or vanished. */
export function checkCountsRoughly(found: readonly TableCount[], previous: readonly TableCount[], tolerance: number): CheckResult {
  if (previous.length === 0) {
    return { tier: "T3", name: "row counts", status: "skipped", detail: "there is no earlier verified restore to compare with", differences: [] };
  }
  const rows = new Map(found.map((count) => [nameOf(count), count.rows]));
  const differences = previous.flatMap((before) => {
    const now = rows.get(nameOf(before));
    // A dropped table is the owner's right; definitions tell about it. Only shrinking is judged here.
    if (now === undefined || now >= before.rows * (1 - tolerance)) return [];
    return [`${nameOf(before)} has ${String(now)} rows; the last verified restore had ${String(before.rows)}`];
  });
  return verdict("T3", "row counts", differences, `${String(previous.length)} tables compared with the last verified restore`);
}

export function checkCountsExactly(expected: readonly TableCount[], found: readonly TableCount[]): CheckResult {
  if (expected.length === 0) return { tier: "T4", name: "exact row counts", status: "skipped", detail: "no counts were recorded with the backup", differences: [] };
  const rows = new Map(found.map((count) => [nameOf(count), count.rows]));
  const differences = expected
    .filter((count) => rows.get(nameOf(count)) !== count.rows)
    .map((count) => `${nameOf(count)} has ${String(rows.get(nameOf(count)) ?? "no")} rows, not ${String(count.rows)}`);
  const total = expected.reduce((sum, count) => sum + count.rows, 0);
  return verdict("T4", "exact row counts", differences, `${String(expected.length)} tables, ${String(total)} rows at the recorded position`);
}

export function checkHeartbeat(expected: string | null, found: string | null): CheckResult {
  if (expected === null) return { tier: "T4", name: "marker", status: "skipped", detail: "no marker was written into the source", differences: [] };
  const differences = expected === found ? [] : [`the marker is ${found ?? "missing"}, not ${expected}`];
  return verdict("T4", "marker", differences, "the marker row written into the source has its value");
}

export async function checkAssertions(sandbox: Sandbox, assertions: readonly Assertion[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const assertion of assertions) {
    const difference = await sandbox.assertion(assertion);
    results.push(verdict("T3", `assertion ${assertion.name}`, difference === null ? [] : [difference], `the owner's query gives ${assertion.equals}`));
  }
  return results;
}

const nameOf = (count: { schema: string; table: string }): string => `${count.schema}.${count.table}`;
