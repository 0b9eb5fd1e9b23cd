import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, mkdir, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sandboxAccount } from "../../src/engines/mysql/server-process.ts";
import { toolFile } from "../../src/engines/mysql/tools.ts";
import { unpack } from "../../src/engines/mysql/unpack.ts";
import { requireSuccess, startTool } from "../../src/lib/process.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { contextIn, takeBackup, type TakenBackup } from "../fixtures/mysql-chain.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";

const NEVER = new AbortController().signal;
const ODD = "`od d\n'\"``☃`";

let server: Mariadb;
let scratch: TempDir;
let full: TakenBackup;
let incremental: TakenBackup;
let made = 0;

/** What mbstream makes of a stream; throws when it refuses. */
async function extractedByTool(streamPath: string, endByte?: number): Promise<string> {
  const dir = await newDir();
  const tool = startTool({ file: await toolFile("mbstream"), args: ["-x", "-C", dir], runAs: sandboxAccount(), stdin: "pipe", stdout: "ignore" });
  await pipeline(createReadStream(streamPath, endByte === undefined ? {} : { end: endByte }), tool.stdin).catch(() => undefined);
  requireSuccess(tool, await tool.exited);
  return dir;
}

async function extractedByUs(streamPath: string): Promise<string> {
  const dir = await newDir();
  await unpack(contextIn(scratch, {}), createReadStream(streamPath, { highWaterMark: 100_003 }), dir, NEVER);
  return dir;
}

async function newDir(): Promise<string> {
  const dir = join(scratch.path, `d${String((made += 1))}`);
  await mkdir(dir, { mode: 0o777 });
  const account = sandboxAccount();
  if (account !== undefined) {
    const handle = await open(dir, "r");
    await handle.chown(account.uid, account.gid);
    await handle.close();
  }
  return dir;
}

/** Every entry below a directory with owner, kind, mode and content. */
async function treeOf(dir: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { uid, gid, mode } = await lstat(path);
    const content = entry.isFile() ? createHash("sha256").update(await readFile(path)).digest("hex") : "directory";
    tree[path.slice(dir.length)] = `${String(uid)}:${String(gid)} ${(mode & 0o7777).toString(8)} ${content}`;
  }
  return tree;
}

beforeAll(async () => {
  scratch = await tempDir(sandboxAccount());
  server = await startMariadb({ config: { innodb_file_per_table: "ON" } });
  await server.run(
    `CREATE DATABASE ${ODD}`,
    `CREATE TABLE ${ODD}.${ODD} (id INT PRIMARY KEY, bytes LONGBLOB) ENGINE=InnoDB`,
    `INSERT INTO ${ODD}.${ODD} SELECT seq, RANDOM_BYTES(1000) FROM ${ODD}.seq_1_to_20000`,
    "CREATE DATABASE shop",
    "CREATE TABLE shop.empty (a INT)",
    "CREATE TABLE shop.old (a INT) ENGINE=MyISAM",
    "CREATE TABLE shop.parts (a INT) PARTITION BY HASH(a) PARTITIONS 3",
  );
  full = await takeBackup(server, join(scratch.path, "full.xb"), null);
  await server.run(`UPDATE ${ODD}.${ODD} SET bytes = RANDOM_BYTES(900) WHERE id % 7 = 0`, "INSERT INTO shop.parts VALUES (1), (2)", "FLUSH TABLES");
  await server.restart();
  incremental = await takeBackup(server, join(scratch.path, "inc.xb"), full);
});

afterAll(async () => {
  await server.stop();
  await scratch.remove();
});

it("gives the same files as mbstream for a full backup: content, names, owner and modes", async () => {
  const ours = await treeOf(await extractedByUs(full.streamPath));
  expect(Object.keys(ours).length).toBeGreaterThan(50);
  expect(ours).toEqual(await treeOf(await extractedByTool(full.streamPath)));
});

it("gives the same files as mbstream for an incremental", async () => {
  const ours = await treeOf(await extractedByUs(incremental.streamPath));
  expect(Object.keys(ours).some((path) => path.endsWith(".delta"))).toBe(true);
  expect(ours).toEqual(await treeOf(await extractedByTool(incremental.streamPath)));
});

it("refuses what mbstream refuses: altered data, a cut chunk, something else", async () => {
  const stream = await readFile(full.streamPath);
  const altered = Buffer.from(stream);
  altered[stream.length >> 1]! ^= 1;
  for (const bytes of [altered, stream.subarray(0, stream.length >> 1), Buffer.from("this is no stream")]) {
    const path = join(scratch.path, "bad.xb");
    const handle = await open(path, "w");
    await handle.writeFile(bytes);
    await handle.close();
    await expect(extractedByTool(path)).rejects.toMatchObject({ code: "TOOL_FAILED" });
    await expect(unpack(contextIn(scratch, {}), Readable.from([bytes], { objectMode: false }), await newDir(), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
  }
});

it("refuses an end between two chunks of a file, which mbstream does not notice", async () => {
  const firstChunk = full.index.files.flatMap((file) => file.extents).toSorted((a, b) => a.streamOffset - b.streamOffset)[0];
  const border = (firstChunk?.streamOffset ?? 0) + (firstChunk?.lengthBytes ?? 0);
  await extractedByTool(full.streamPath, border - 1);
  const cut = createReadStream(full.streamPath, { end: border - 1 });
  await expect(unpack(contextIn(scratch, {}), cut, await newDir(), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
});

it("ends with the signal's reason while the stream stalls", async () => {
  const stalled = new Readable({ read: () => undefined });
  stalled.push((await readFile(full.streamPath)).subarray(0, 1_000_000));
  const reason = new Error("enough");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 100);
  await expect(unpack(contextIn(scratch, {}), stalled, await newDir(), controller.signal)).rejects.toBe(reason);
});
