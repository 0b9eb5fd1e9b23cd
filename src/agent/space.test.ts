import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { orderOf, probeWork } from "../../test/fakes/agent-server.ts";
import { silentLog } from "../lib/log.ts";
import type { Order } from "../model/job.ts";
import { removeLeftovers } from "./scratch.ts";
import { makeSpace } from "./space.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(root, { recursive: true }));

const backupOrder = (): Pick<Order, "attemptId" | "work"> => {
  const { attemptId } = orderOf(probeWork);
  const sealing = { recipients: ["age1"], metadataRecipient: "age1", compressionLevel: 3 };
  return { attemptId, work: { kind: "backup", backupKind: "full", parent: null, sealing, rowCounts: "none", heartbeat: false } };
};
const place = () => ({ name: "a", scratchRoot: join(root, "scratch"), buffers: { bufferBytes: 5, spoolBytes: 6, spoolRoot: join(root, "spool") } });

test("a spool lies in the attempt's scratch directory unless told", async () => {
  const { buffers, scratchDir, remove } = await makeSpace({ name: "a", scratchRoot: root }, backupOrder());
  expect(buffers).toEqual({ bufferBytes: 128 * 1024 ** 2, spoolBytes: 8 * 1024 ** 3, spoolDir: join(scratchDir, "spool") });
  await remove();
  expect(readdirSync(root)).toEqual([]);
});

test("a spool elsewhere goes with its attempt, and what a dead process left of one goes at the next start", async () => {
  const { buffers, remove } = await makeSpace(place(), backupOrder());
  expect([buffers.bufferBytes, buffers.spoolBytes, existsSync(buffers.spoolDir)]).toEqual([5, 6, true]);
  const dead = join(root, "spool", "0DEAD00000");
  await mkdir(join(dead, "w"), { recursive: true });
  await writeFile(join(dead, "owner.json"), JSON.stringify({ pid: 1, processStart: "1 of another boot", attemptId: "x", agent: "a" }));
  expect(await removeLeftovers(join(root, "spool"), silentLog)).toEqual([dead]);
  expect(existsSync(buffers.spoolDir)).toBe(true);
  await remove();
  expect([readdirSync(join(root, "spool")), readdirSync(join(root, "scratch"))]).toEqual([[], []]);
});

test("a spool directory that cannot be made is named, and leaves no scratch directory", async () => {
  await writeFile(join(root, "spool"), "a file");
  await expect(makeSpace(place(), backupOrder())).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(join(root, "spool")) as unknown });
  expect(readdirSync(join(root, "scratch"))).toEqual([]);
});

test("work that is no backup has no directory for a spool", async () => {
  const { remove } = await makeSpace(place(), orderOf(probeWork));
  expect(existsSync(join(root, "spool"))).toBe(false);
  await remove();
});
