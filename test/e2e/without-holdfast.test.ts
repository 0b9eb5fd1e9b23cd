import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createConnection } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareRows, Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, readShop, startWriter } from "../../src/demo/shop.ts";
import { sandboxAccount } from "../../src/engines/mysql/server-process.ts";
import { delay } from "../../src/lib/clock.ts";
import { runTool, startTool } from "../../src/lib/process.ts";
import type { Backup } from "../../src/model/backup.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const PAGE = resolve(import.meta.dirname, "../../docs/restore-without-holdfast.md");
const PROGRAMS = ["age", "zstd", "mbstream", "mariadb-backup", "mariadb-binlog", "mariadb", "mariadbd", "sh", "mkdir", "cut", "ls", "sort", "sed", "dd", "chown", "sleep"];

let world: HoldfastWorld;
const ledger = new Ledger();
let chain: Backup[] = [];

beforeAll(async () => {
  world = await startWorld({ shipEvery: "1s" });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 1_000 });
  const writer = startWriter(connection, ledger, { firstId: 1_000_000, pauseMs: 5 });
  for (const kind of ["full", "incremental", "incremental"] as const) {
    chain.push(await world.holdfast.backUp(kind));
    await delay(1_200);
  }
  await writer.stop();
  await world.holdfast.waitUntilShipped(await world.logPosition());
  // From here on Holdfast is gone: only the repository and an identity are left.
  await world.stopUp();
});

afterAll(async () => {
  chain = [];
  await world.stop();
});

/** The shell lines of the page that are marked as tested, in order. */
async function documentedLines(): Promise<string> {
  const page = await readFile(PAGE, "utf8");
  const blocks = [...page.matchAll(/<!-- tested: (\w+) -->\n```sh\n([\s\S]*?)```/g)];
  expect(blocks.map(([, name]) => name)).toEqual(["unpack", "prepare", "logs", "serve", "replay"]);
  return blocks.map(([, , lines]) => lines).join("\n");
}

/** A PATH that holds the programs the page names and nothing else: no Node, no Holdfast. */
async function barePath(dir: string): Promise<string> {
  await mkdir(dir);
  for (const program of PROGRAMS) {
    const { stdout } = await runTool({ file: "sh", args: ["-c", `command -v ${program} || ls /usr/sbin/${program}`] });
    await symlink(stdout.trim(), join(dir, program));
  }
  return dir;
}

describe("with Holdfast gone for ever", () => {
  it("a full, two incrementals and the log come back to a GTID by the documented lines alone", async () => {
    const entries = ledger.entries();
    const target = entries[entries.length - 20] ?? entries[0];
    if (target === undefined) throw new Error("the ledger is empty");
    const work = join(world.rootDir, "byhand");
    await mkdir(work);
    const instanceDir = join(world.repositoryPath, chain[0]?.instanceId ?? "");
    const timelines = await readdir(join(instanceDir, "logs"));
    const socket = join(work, "s");
    const script = `set -eu\n${await documentedLines()}\n`;
    await writeFile(join(work, "restore.sh"), script);
    const path = await barePath(join(world.rootDir, "bin"));
    const env = {
      KEY: world.dailyKeyPath,
      REPO: instanceDir,
      CHAIN: chain.map(({ backupId }) => join(instanceDir, "backups", backupId)).join(" "),
      WORK: work,
      TIMELINE: timelines[0] ?? "",
      GTID: target.gtid,
      SOCKET: socket,
      DBUSER: sandboxAccount()?.user ?? process.env["USER"] ?? "",
    };
    await world.makePassable(work);
    const server = startTool({ file: "env", args: [`PATH=${path}`, "sh", "-c", `sh ${join(work, "restore.sh")} && echo REPLAYED && sleep 30`], env });
    try {
      let output = "";
      for await (const chunk of server.stdout) {
        output += String(chunk);
        if (output.includes("REPLAYED")) break;
      }
      expect(output, server.stderrTail()).toContain("REPLAYED");
      const connection = await createConnection({ socketPath: socket, user: "root", charset: "utf8mb4" });
      const comparison = compareRows(ledger.stateAt(target.gtid), await readShop(connection));
      await connection.end();
      expect(comparison.differences).toEqual([]);
      expect(comparison.comparedRows).toBeGreaterThan(1_000);
    } finally {
      const pid = await readFile(join(work, "0", "restore.pid"), "utf8").catch(() => "");
      if (pid.trim() !== "") process.kill(Number(pid), "SIGKILL");
      server.kill("SIGKILL");
      await server.exited;
    }
  });
});
