import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestChainFor, type ChainLink, chainOf, failedVerification, newestChainTip } from "./chain.ts";
import { comparePositions } from "./position.ts";

const id = (number: number): string => String(number).padStart(26, "0");
const at = (minute: number): string => new Date(minute * 60_000).toISOString();

function backup(number: number, overrides: Partial<Omit<ChainLink, "facts">> & { facts?: Partial<ChainLink["facts"]> } = {}): ChainLink {
  const { facts, ...rest } = overrides;
  return {
    backupId: id(number),
    instanceId: id(900),
    kind: "full",
    parentId: null,
    timeline: id(1),
    verification: null,
    ...rest,
    facts: {
      fromLsn: "0",
      toLsn: String(number * 100),
      dataIdentity: "server-a",
      logPosition: { file: "bin.000001", position: number * 100, gtid: "" },
      ...facts,
    },
  };
}

function incremental(number: number, parent: number, overrides: Parameters<typeof backup>[1] = {}): ChainLink {
  return backup(number, { kind: "incremental", parentId: id(parent), ...overrides, facts: { fromLsn: String(parent * 100), ...overrides?.facts } });
}

const verified = (status: "passed" | "failed", minute: number, tier: "T0" | "T4" = "T4"): NonNullable<ChainLink["verification"]> => ({
  verificationId: id(800 + minute),
  tier,
  status,
  at: at(minute),
});

describe("a chain", () => {
  it("lists the full first and the incrementals in order", () => {
    const backups = [incremental(3, 2), backup(1), incremental(2, 1), backup(4)];
    expect(chainOf(backups, id(3)).map((link) => link.backupId)).toEqual([id(1), id(2), id(3)]);
  });

  it.each([
    ["a parent that is missing", [incremental(3, 2)], id(2)],
    ["an LSN that does not join", [backup(1), incremental(3, 1, { facts: { fromLsn: "101" } })], "LSN 101"],
    ["a parent of other data", [backup(1, { facts: { dataIdentity: "server-b" } }), incremental(3, 1)], "server-b"],
    ["a parent of another timeline", [backup(1, { timeline: id(2) }), incremental(3, 1)], "timelines"],
    ["a parent of another instance", [backup(1, { instanceId: id(901) }), incremental(3, 1)], "instances"],
    ["an incremental without a parent", [incremental(3, 1, { parentId: null })], "names no parent"],
    ["a full with a parent", [backup(1), backup(3, { parentId: id(1), facts: { fromLsn: "100" } })], "names a parent"],
    ["a ring", [incremental(3, 2, { facts: { toLsn: "200" } }), incremental(2, 3, { facts: { fromLsn: "200" } })], "its own ancestor"],
  ])("is refused with %s, which is named", (_, backups, named) => {
    expect(() => chainOf(backups, id(3))).toThrow(named);
    expect(() => chainOf(backups, id(3))).toThrow(expect.objectContaining({ code: "CHAIN_BROKEN" }));
  });

  it("stands under a failure of any link until that link or a later one passes at the same tier", () => {
    const failed = backup(1, { verification: verified("failed", 5) });
    expect(failedVerification([failed, incremental(2, 1)])?.at).toBe(at(5));
    expect(failedVerification([failed, incremental(2, 1, { verification: verified("passed", 4) })])?.at).toBe(at(5));
    expect(failedVerification([failed, incremental(2, 1, { verification: verified("passed", 6, "T0") })])?.at).toBe(at(5));
    expect(failedVerification([failed, incremental(2, 1, { verification: verified("passed", 6) })])).toBeNull();
  });
});

describe("the parent of the next incremental", () => {
  it("is the backup that reaches furthest, whichever was started last", () => {
    expect(newestChainTip([backup(5), backup(6, { facts: { toLsn: "400" } })], id(1))?.backupId).toBe(id(5));
  });

  it("is never of another timeline, of a broken chain or of one that failed verification", () => {
    expect(newestChainTip([backup(5, { timeline: id(2) })], id(1))).toBeNull();
    expect(newestChainTip([incremental(5, 4)], id(1))).toBeNull();
    expect(newestChainTip([backup(4, { verification: verified("failed", 1) }), incremental(5, 4)], id(1))).toBeNull();
  });

  it("compares LSNs beyond 2^53 exactly", () => {
    const backups = [backup(5, { facts: { toLsn: "9007199254740993" } }), backup(6, { facts: { toLsn: "9007199254740992" } })];
    expect(newestChainTip(backups, id(1))?.backupId).toBe(id(5));
  });
});

describe("the chain for a place", () => {
  it("passes over a newer backup that failed its verification, and says so", () => {
    const backups = [backup(1), backup(2, { verification: verified("failed", 1) })];
    const chosen = bestChainFor(backups, { file: "bin.000001", position: 250 }, id(1));
    expect(chosen?.chain.map((link) => link.backupId)).toEqual([id(1)]);
    expect(chosen?.warnings.join()).toContain("failed verification");
  });

  it("is a failed one only when there is nothing else, with a warning", () => {
    const chosen = bestChainFor([backup(2, { verification: verified("failed", 1) })], { file: "bin.000001", position: 250 }, id(1));
    expect(chosen?.chain.map((link) => link.backupId)).toEqual([id(2)]);
    expect(chosen?.warnings.join()).toContain("failed its T4 verification");
  });

  it("does not exist before the first backup or without a log position", () => {
    expect(bestChainFor([backup(2)], { file: "bin.000001", position: 199 }, id(1))).toBeNull();
    expect(bestChainFor([backup(2, { facts: { logPosition: null } })], { file: "bin.000001", position: 300 }, id(1))).toBeNull();
  });
});

/** Random forests: fulls and incrementals on random parents, with wrong joins, holes and verdicts sprinkled in. */
const forest = fc
  .array(
    fc.record({
      parent: fc.nat(),
      full: fc.boolean(),
      damage: fc.constantFrom("none", "none", "none", "none", "lsn", "identity", "timeline", "lost"),
      verdict: fc.constantFrom(null, null, "passed", "failed"),
      file: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((seeds) =>
    seeds.flatMap((seed, number) => {
      const place = { logPosition: { file: `bin.00000${String(Math.min(seed.file, 1 + Math.floor(number / 5)))}`, position: number * 10, gtid: "" } };
      const verification = seed.verdict === null ? null : verified(seed.verdict, number);
      const identity = seed.damage === "identity" ? { dataIdentity: "server-b" } : {};
      const timeline = seed.damage === "timeline" ? { timeline: id(2) } : {};
      if (seed.damage === "lost") return [];
      if (seed.full || number === 0) return [backup(number, { verification, ...timeline, facts: { ...place, ...identity } })];
      const parent = seed.parent % number;
      const fromLsn = String(parent * 100 + (seed.damage === "lsn" ? 1 : 0));
      return [incremental(number, parent, { verification, ...timeline, facts: { ...place, ...identity, fromLsn } })];
    }),
  );

describe("for any forest of backups", () => {
  it("a chain either joins from a full to the asked backup or is refused", () => {
    fc.assert(
      fc.property(forest, fc.nat({ max: 14 }), (backups, wanted) => {
        if (!isWhole(backups, id(wanted))) return;
        const chain = chainOf(backups, id(wanted));
        expect(chain[0]?.kind).toBe("full");
        expect(chain.at(-1)?.backupId).toBe(id(wanted));
        for (const [number, link] of chain.entries()) {
          if (number === 0) continue;
          const parent = chain[number - 1]!;
          expect([link.parentId, link.facts.fromLsn, link.facts.dataIdentity, link.timeline]).toEqual([
            parent.backupId,
            parent.facts.toLsn,
            parent.facts.dataIdentity,
            parent.timeline,
          ]);
        }
      }),
    );
  });

  it("the chosen chain is whole, lies before the stop and is the newest that no verification condemns", () => {
    fc.assert(
      fc.property(forest, fc.integer({ min: 1, max: 3 }), fc.nat({ max: 150 }), (backups, file, position) => {
        const stop = { file: `bin.00000${String(file)}`, position };
        const chosen = bestChainFor(backups, stop, id(1));
        const usable = backups.filter((candidate) => candidate.timeline === id(1) && comparePositions(candidate.facts.logPosition!, stop) <= 0 && isWhole(backups, candidate.backupId));
        if (chosen === null) {
          expect(usable).toEqual([]);
          return;
        }
        const tip = chosen.chain.at(-1)!;
        expect(chosen.chain).toEqual(chainOf(backups, tip.backupId));
        expect(usable).toContain(tip);
        const sound = usable.filter((candidate) => failedVerification(chainOf(backups, candidate.backupId)) === null);
        if (failedVerification(chosen.chain) !== null) {
          expect(sound).toEqual([]);
          expect(chosen.warnings).not.toEqual([]);
          return;
        }
        expect(sound.every((candidate) => comparePositions(candidate.facts.logPosition!, tip.facts.logPosition!) <= 0)).toBe(true);
      }),
    );
  });
});

function isWhole(backups: readonly ChainLink[], backupId: string): boolean {
  try {
    chainOf(backups, backupId);
    return true;
  } catch {
    return false;
  }
}
