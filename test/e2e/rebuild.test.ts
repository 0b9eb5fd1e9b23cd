import { execFile } from "node:child_process";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
const backups: Backup[] = [];
const ledger = new Ledger();

beforeAll(async () => {
  world = await startWorld({ shipEvery: "500ms" });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 1_000 });
  for (const kind of ["full", "incremental", "full"] as const) {
    backups.push(await world.holdfast.backUp(kind));
    await fillShop(connection, ledger, { firstId: backups.length * 10_000, count: 500 });
    await connection.query("FLUSH BINARY LOGS");
  }
  await world.holdfast.waitUntilShipped(await world.logPosition());
  expect((await world.holdfast.verify(backups[1]!.backupId)).status).toBe("passed");
  const { client } = world;
  await client.call(api.backups.hold, { backupId: backups[0]!.backupId, reason: "audit ☃", by: "anna" });
  await client.call(api.backups.hold, { backupId: backups[2]!.backupId, reason: "released again", by: "anna" });
  await client.call(api.backups.release, { backupId: backups[2]!.backupId, by: "boris" });
  await writeFile(world.configPath, world.yaml);
});

afterAll(async () => {
  await world.stop();
});

/** Standard output of one command: a process of its own, which asks the running Holdfast if there is one. */
async function holdfast(...args: string[]): Promise<string> {
  return (await promisify(execFile)(HOLDFAST, ["--config", world.configPath, ...args])).stdout;
}

const QUESTIONS = (): string[][] => [
  ["backup", "list", "--json"],
  ...backups.map(({ backupId }) => ["backup", "show", backupId, "--json"]),
  ["log", "coverage", "shop", "--json"],
  ["instance", "list", "--json"],
  ["restore", "plan", "shop", "--latest", "--json"],
];

async function answers(): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all(QUESTIONS().map(async (question) => [question.join(" "), await holdfast(...question)] as const)));
}

/** The first line that differs of each answer; the runner's own comparison of long texts takes minutes. */
function differences(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.entries(before).flatMap(([question, expected]) => {
    const found = after[question] ?? "";
    if (found === expected) return [];
    const foundLines = found.split("\n");
    const line = expected.split("\n").findIndex((text, number) => text !== foundLines[number]);
    return [`${question}: ${expected.split("\n")[line] ?? "nothing"} became ${foundLines[line] ?? "nothing"}`];
  });
}

async function loseCatalog(): Promise<void> {
  const data = join(world.rootDir, "state", "data");
  for (const name of await readdir(data)) await rm(join(data, name), { recursive: true });
}

describe("a catalog that was lost and rebuilt from the repository", () => {
  it("answers every question byte for byte as before", async () => {
    const before = await answers();
    expect(before["backup list --json"]).toContain("audit ☃");
    expect(before["backup list --json"]).toContain('"passed"');
    await world.stopUp();
    await loseCatalog();
    const rebuilt = JSON.parse(await holdfast("catalog", "rebuild", "--json")) as { backups: number; verifications: number; refused: string[] };
    expect(rebuilt).toMatchObject({ backups: 3, verifications: 1, refused: [] });
    await world.startUp();
    expect(differences(before, await answers())).toEqual([]);
  });

  it("goes on once it is thawed: shipping, incrementals, restores and the repository check work on it", async () => {
    await world.client.call(api.system.thaw, { by: "test" });
    const connection = await world.connect();
    await fillShop(connection, ledger, { firstId: 100_000, count: 500 });
    await world.holdfast.waitUntilShipped(await world.logPosition());
    const next = await world.holdfast.backUp("incremental");
    expect(next.parentId).toBe(backups[2]!.backupId);
    const coverage = await world.holdfast.coverage();
    expect({ intervals: coverage.intervals.length, gaps: coverage.gaps }).toEqual({ intervals: 1, gaps: [] });
    await expectOnlyWholeBackups(world, world.client);
    expect((await world.holdfast.verify(next.backupId)).status).toBe("passed");
  });
});
