import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requireWholeBackup } from "../../src/engines/mysql/whole-backup.ts";
import { inspectStream } from "../../src/engines/mysql/xbstream.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { takeBackup, type TakenBackup } from "../fixtures/mysql-chain.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";
import { between, seededRandom } from "../soak/random.ts";

const CUTS = 1_000;
const SEED = 20_261_121;

let server: Mariadb;
let scratch: TempDir;
let full: TakenBackup;
let incremental: TakenBackup;

beforeAll(async () => {
  scratch = await tempDir();
  server = await startMariadb({ config: { innodb_file_per_table: "ON" } });
  await server.run(
    "CREATE DATABASE shop",
    "CREATE TABLE shop.orders (id INT PRIMARY KEY, bytes LONGBLOB) ENGINE=InnoDB",
    "INSERT INTO shop.orders SELECT seq, RANDOM_BYTES(1000) FROM shop.seq_1_to_12000",
    "CREATE TABLE shop.old (a INT) ENGINE=MyISAM",
    "CREATE TABLE shop.parts (a INT) PARTITION BY HASH(a) PARTITIONS 3",
  );
  full = await takeBackup(server, join(scratch.path, "full.xb"), null);
  await server.run("UPDATE shop.orders SET bytes = RANDOM_BYTES(900) WHERE id % 7 = 0", "CREATE TABLE shop.late (a INT)");
  incremental = await takeBackup(server, join(scratch.path, "inc.xb"), full);
});

afterAll(async () => {
  await server.stop();
  await scratch.remove();
});

/** Where each chunk of a whole stream begins, and its end. */
function bordersOf(stream: Buffer): number[] {
  const borders: number[] = [];
  for (let at = 0; at < stream.length; ) {
    borders.push(at);
    const pathEnd = at + 14 + stream.readUInt32LE(at + 10);
    at = stream[at + 9] === 0x45 ? pathEnd : pathEnd + 20 + Number(stream.readBigUInt64LE(pathEnd));
  }
  return [...borders, stream.length];
}

/** The cuts of these at which the stream would pass for a whole backup. Looking at the end of what came so far changes nothing. */
function believed(stream: Buffer, cuts: readonly number[]): number[] {
  const inspector = inspectStream();
  const accepted: number[] = [];
  let from = 0;
  for (const cut of [...new Set(cuts)].toSorted((a, b) => a - b)) {
    inspector.write(stream.subarray(from, cut));
    from = cut;
    try {
      requireWholeBackup(inspector.end());
      accepted.push(cut);
    } catch (error) {
      if (!isHoldfastError(error, "STREAM_DAMAGED")) throw error;
    }
  }
  return accepted;
}

it.each(["full", "incremental"] as const)("a real %s that is cut at a chunk's border, beside it, or at any of 1,000 seeded offsets is refused", async (kind) => {
  const stream = await readFile((kind === "full" ? full : incremental).streamPath);
  const borders = bordersOf(stream);
  const random = seededRandom(SEED);
  const beside = borders.flatMap((border) => [border - 1, border, border + 1]).filter((cut) => cut >= 0 && cut <= stream.length);
  const seeded = Array.from({ length: CUTS }, () => between(random, 0, stream.length - 1));
  expect(borders.length).toBeGreaterThan(100);
  expect(believed(stream, [...beside, ...seeded])).toEqual([stream.length]);
});
