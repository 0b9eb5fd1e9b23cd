import { describe, expect, it } from "vitest";
import { parentOf, requireOrdered, requireParentFits } from "./parent-fit.ts";
import { parseVersion } from "./versions.ts";

const PARENT = { backupId: "01J00000000000000000000000", toLsn: "9007199254740993", dataIdentity: "data=1-2", flavour: "mariadb", serverVersion: "10.11.18-MariaDB-log" };
const NOW = { dataIdentity: "data=1-2", version: parseVersion("10.11.19-MariaDB")!, currentLsn: 9007199254740993n };

describe("an incremental's parent", () => {
  it("fits the same data in the same series, also after a minor upgrade", () => {
    expect(() => requireParentFits(PARENT, NOW)).not.toThrow();
    expect(() => requireParentFits(PARENT, { ...NOW, currentLsn: null })).not.toThrow();
  });

  it.each([
    [{ ...NOW, dataIdentity: "data=1-3" }, "LINEAGE_CHANGED"],
    [{ ...NOW, currentLsn: 9007199254740992n }, "LINEAGE_CHANGED"],
    [{ ...NOW, version: parseVersion("11.4.3-MariaDB")! }, "CHAIN_BROKEN"],
  ])("is refused when the server changed (case %#)", (now, code) => {
    expect(() => requireParentFits(PARENT, now)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("must be named by an order for an incremental", () => {
    expect(() => parentOf({ backupKind: "incremental", parent: null })).toThrow(expect.objectContaining({ code: "CHAIN_BROKEN" }) as Error);
    expect(parentOf({ backupKind: "full", parent: PARENT })).toBeNull();
  });
});

describe("what the tool made", () => {
  const made = { backupType: "incremental", fromLsn: 9007199254740993n, toLsn: 9007199254740999n, lastLsn: 9007199254741000n };

  it("is taken when it begins where the parent ends", () => {
    expect(() => requireOrdered(made, "incremental", PARENT)).not.toThrow();
    expect(() => requireOrdered({ ...made, backupType: "full-backuped", fromLsn: 0n }, "full", null)).not.toThrow();
  });

  it.each([
    [{ ...made, fromLsn: 9007199254740992n }, "incremental", "CHAIN_BROKEN"],
    [{ ...made, backupType: "full-backuped" }, "incremental", "CHAIN_BROKEN"],
    [{ ...made, toLsn: 5n }, "incremental", "LINEAGE_CHANGED"],
    [made, "full", "CHAIN_BROKEN"],
  ] as const)("is refused otherwise (case %#)", (found, kind, code) => {
    expect(() => requireOrdered(found, kind, PARENT)).toThrow(expect.objectContaining({ code }) as Error);
  });
});
