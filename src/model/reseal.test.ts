import { describe, expect, it } from "vitest";
import { isTakenLater } from "./backup.ts";
import { planReseal, type SealedLink } from "./reseal.ts";

const OLD = ["age1old", "age1escrow"];
const NEW = ["age1new", "age1escrow"];
const link = (backupId: string, parentId: string | null, recipients: readonly string[], resealedFrom?: string): SealedLink => ({ backupId, parentId, recipients, ...(resealedFrom === undefined ? {} : { resealedFrom }) });
const chain = [link("a", null, OLD), link("b", "a", OLD), link("c", "b", OLD)];
const idsOf = (chosen: readonly SealedLink[], others: readonly SealedLink[] = []): [string | null, string[]] => {
  const { onto, links } = planReseal(chosen, others, NEW);
  return [onto, links.map(({ backupId }) => backupId)];
};

describe("what a reseal seals anew", () => {
  it("is the whole chain where nothing of it opens, and nothing where all of it does, in whatever order recipients are named", () => {
    expect(idsOf(chain)).toEqual([null, ["a", "b", "c"]]);
    expect(idsOf([link("a", null, NEW), link("b", "a", NEW.toReversed())])).toEqual(["b", []]);
  });

  it("is not what an earlier reseal has done", () => {
    expect(idsOf(chain, [link("x", null, NEW, "a"), link("y", "x", NEW, "b")])).toEqual(["y", ["c"]]);
    expect(idsOf(chain.slice(0, 2), [link("x", null, NEW, "a"), link("y", "x", NEW, "b")])).toEqual(["y", []]);
  });

  it("is also an incremental that opens itself and builds on what does not", () => {
    expect(idsOf([link("a", null, OLD), link("b", "a", NEW)])).toEqual([null, ["a", "b"]]);
    expect(idsOf([link("a", null, OLD), link("b", "a", NEW)], [link("x", null, NEW, "a")])).toEqual(["x", ["b"]]);
  });

  it("does not build on a copy for other recipients, or of another parent", () => {
    expect(idsOf(chain, [link("x", null, ["age1third"], "a")])).toEqual([null, ["a", "b", "c"]]);
    expect(idsOf(chain, [link("x", null, NEW, "a"), link("y", "elsewhere", NEW, "b")])).toEqual(["x", ["b", "c"]]);
    expect(idsOf(chain, [link("x", null, [...NEW, "age1third"], "a")])).toEqual([null, ["a", "b", "c"]]);
  });

  it("goes on from a copy when a copy is asked for", () => {
    expect(idsOf([link("x", null, OLD, "a"), link("y", "x", OLD, "b")], [link("z", null, NEW, "a")])).toEqual(["z", ["y"]]);
  });
});

it("a resealed backup is no later state than the one it was resealed from, and stands before it", () => {
  const [older, newer, copy] = [{ backupId: "1" }, { backupId: "2" }, { backupId: "3", resealedFrom: "1" }];
  expect([isTakenLater(newer, copy), isTakenLater(copy, newer), isTakenLater(copy, older), isTakenLater(older, copy)]).toEqual([true, false, true, false]);
});
