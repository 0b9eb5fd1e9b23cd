import { expect, it } from "vitest";
import { backup, id } from "../../test/fakes/cli-documents.ts";
import { backupTable } from "./backup-text.ts";

it("a full is shown as proven by the verification of an incremental on it, and an unproven one is not", () => {
  const passed = { verificationId: id(7), tier: "T4", status: "passed", at: "2026-11-21T10:00:00.000Z" } as const;
  const full = backup({ backupId: id(1), kind: "full", parentId: null, verification: null });
  const middle = backup({ backupId: id(2), kind: "incremental", parentId: id(1), verification: null });
  const tip = backup({ backupId: id(3), kind: "incremental", parentId: id(2), verification: passed });
  const younger = backup({ backupId: id(4), kind: "incremental", parentId: id(3), verification: null });
  const lines = backupTable([younger, tip, middle, full], 200).split("\n");
  expect(lines.slice(1).map((line) => /(T4 passed|in its chain|not yet)/.exec(line)?.[1])).toEqual(["not yet", "T4 passed", "in its chain", "in its chain"]);
});
