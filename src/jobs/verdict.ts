import type { VerifyOrder } from "../model/job.ts";
import type { Tier } from "../model/policy.ts";
import type { CheckResult } from "../model/verification.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

/** A verification on its way: what was checked so far, and how. */
export interface Verifying {
  readonly ports: JobPorts;
  readonly order: VerifyOrder;
  readonly phases: Phases;
  readonly checks: CheckResult[];
}

const DIFFERENCES_KEPT = 50;

/** A check that failed if and only if there are differences. */
export function verdict(tier: Tier, name: string, differences: readonly string[], detail: string): CheckResult {
  return { tier, name, status: differences.length === 0 ? "passed" : "failed", detail, differences: differences.slice(0, DIFFERENCES_KEPT) };
}
