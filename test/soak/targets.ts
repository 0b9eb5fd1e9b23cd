import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { type Connection, createConnection } from "mysql2/promise";
import { compareRows } from "../../src/demo/ledger.ts";
import { readShop } from "../../src/demo/shop.ts";
import type { Job } from "../../src/model/job.ts";
import type { RestorePlan, RestoreResult } from "../../src/model/restore.ts";
import type { Mariadb } from "../fixtures/mariadb.ts";
import type { Ground } from "./ground.ts";
import { restoredFaults } from "./invariants.ts";
import { awaitEnd, signalTo } from "./processes.ts";
import type { Scenario } from "./states.ts";

interface Begun {
  readonly targetPath?: string;
  readonly plan?: RestorePlan;
}

/** What is wrong with the target of a restore that has ended: it is a whole restore or does not exist. Removes it. */
export async function targetFaults(ground: Ground, scenario: Scenario, begun: Begun, job: Job): Promise<string[]> {
  const { targetPath = "" } = begun;
  const hasSucceeded = job.state === "succeeded";
  const expected = ground.witness.ledger.stateAt(begun.plan?.stop?.lastGroup?.gtid ?? begun.plan?.chain.at(-1)?.facts.logPosition?.gtid ?? "");
  const what = `the target of job ${job.jobId} (${job.state})`;
  if (scenario === "table into server") return hasSucceeded ? tableFaults(await ground.otherServer(), expected, what) : [];
  try {
    if (!existsSync(targetPath)) return hasSucceeded ? [`job ${job.jobId} succeeded without its target`] : [];
    if (scenario === "restore table") return await sqlFaults(ground, targetPath, expected);
    const { server } = hasSucceeded ? (job.result as RestoreResult) : { server: null };
    return server === null ? await restoredFaults(ground, { path: targetPath, expected, what }) : await servedFaults(server, expected, what);
  } finally {
    await rm(targetPath, { recursive: true, force: true });
  }
}

/** The server that a restore left running has the rows; ends it. */
async function servedFaults(server: NonNullable<RestoreResult["server"]>, expected: ReadonlyMap<number, string>, what: string): Promise<string[]> {
  try {
    return await rowFaults(await createConnection({ socketPath: server.socket, user: server.user, charset: "utf8mb4" }), expected, what);
  } catch (error) {
    return [`${what} has no server that answers: ${String(error)}`];
  } finally {
    signalTo(server.pid, "SIGKILL");
    await awaitEnd(server.pid);
  }
}

async function rowFaults(connection: Connection, expected: ReadonlyMap<number, string>, what: string): Promise<string[]> {
  try {
    const { differences } = compareRows(expected, await readShop(connection));
    return differences.slice(0, 3).map((difference) => `${what}: ${difference} (${String(differences.length)} differences)`);
  } finally {
    connection.destroy();
  }
}

async function tableFaults(other: Mariadb, expected: ReadonlyMap<number, string>, what: string): Promise<string[]> {
  return rowFaults(await createConnection({ socketPath: other.socket, user: "root", charset: "utf8mb4" }), expected, what);
}

/** The other server, without anything that a restore has loaded into it. */
export async function emptyServer(ground: Ground): Promise<Mariadb> {
  const other = await ground.otherServer();
  await other.run("DROP DATABASE IF EXISTS shop");
  return other;
}

async function sqlFaults(ground: Ground, path: string, expected: ReadonlyMap<number, string>): Promise<string[]> {
  const isWhole = (await readFile(path, "latin1")).includes("SQL_NOTES=@OLD_SQL_NOTES");
  if (!isWhole) return [`${path} is half a table`];
  const other = await emptyServer(ground);
  const { status, stderr } = spawnSync("mariadb", ["--no-defaults", `--socket=${other.socket}`, "--user=root", "--binary-mode", "--default-character-set=utf8mb4"], { input: await readFile(path), encoding: "utf8" });
  return status === 0 ? tableFaults(other, expected, path) : [`${path} cannot be loaded: ${stderr}`];
}
