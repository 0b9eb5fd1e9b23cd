import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canMount } from "../soak/disk.ts";
import { type Ground, makeGround } from "../soak/ground.ts";
import { Invariants } from "../soak/invariants.ts";
import { describeFault, namedFault, planRound } from "../soak/plan.ts";
import { seededRandom } from "../soak/random.ts";
import { runRound, takeBackup } from "../soak/round.ts";
import { describeUnless } from "../skip.ts";

describeUnless(canMount() ? undefined : "file systems cannot be mounted here", "faults in the real processes", () => {
  let ground: Ground;
  beforeAll(async () => {
    ground = await makeGround(seededRandom(1));
    await takeBackup(ground);
  });
  afterAll(() => ground.remove());

  it("leave only backups that restore, no leftovers, no lease held twice, and no claim without its bytes", async () => {
    const faults = [
      namedFault({ scenario: "backup", state: "stream", process: "mariadb-backup", fault: "kill" }),
      namedFault({ scenario: "ship", state: "following", process: "mariadb-binlog", fault: "kill" }),
      namedFault({ scenario: "backup", state: "committing", process: "holdfast", fault: "kill" }),
      namedFault({ scenario: "restore", state: "fetch", process: "holdfast", fault: "kill" }),
      namedFault({ scenario: "backup", state: "stored", process: "holdfast", fault: "fill state" }),
      namedFault({ scenario: "verify", state: "replay", process: "sandbox", fault: "freeze" }),
      namedFault({ scenario: "served restore", state: "serve", process: "holdfast", fault: "kill" }),
      namedFault({ scenario: "ship", state: "piece committed", process: "source", fault: "kill" }),
    ];
    const result = await runRound(ground, new Invariants(ground), { faults });
    expect(result.violations).toEqual([]);
    expect(result.faults.filter(({ wasMade }) => !wasMade).map(({ plan }) => describeFault(plan))).toEqual([]);
    expect(result.faults.filter(({ endedItself }) => endedItself).map(({ plan }) => describeFault(plan))).toEqual([]);
  });
});

describe("a seed", () => {
  it("plans the same rounds every time, and others than its neighbour", () => {
    const plans = (seed: number): string[] => [1, 2, 3].flatMap((round) => planRound(seed, round).faults.map(describeFault));
    expect(plans(7)).toEqual(plans(7));
    expect(plans(7)).not.toEqual(plans(8));
  });
});
