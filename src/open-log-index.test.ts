import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { expect, test } from "vitest";
import { logIndexOpener } from "./open-log-index.ts";
import type { SegmentRef } from "./model/backup.ts";
import type { LogGroup } from "./model/log-groups.ts";
import { sealBytes } from "./pack/seal.ts";
import { memoryStorage } from "./storage/memory.ts";

const SEGMENT_ID = "01KAJ3V0Q8M5ZC2X7T4R6N9PDH";
const INDEX_NAME = `${SEGMENT_ID}.index.zst.age`;
const group = (start: number, end: number): LogGroup => ({ start, end, gtid: `0-1-${String(start)}`, stampS: 1, durationS: 0, statement: null, ddl: false, threadId: null, tables: [] });

const identity = await generateX25519Identity();
const stranger = await generateX25519Identity();

/** Opens what is stored as the list of a piece that holds bytes 100 to 300 of bin.000001 and two groups. */
async function open(text: string, sealedTo = identity) {
  const storage = memoryStorage.open({});
  const { part, chunks } = await sealBytes(Buffer.from(text), { name: INDEX_NAME, recipients: [await identityToRecipient(sealedTo)], compressionLevel: 3 });
  await storage.put(`p/${part.name}`, chunks, part);
  const segment = { segmentId: SEGMENT_ID, file: "bin.000001", startPosition: 100, endPosition: 300, groupCount: 2, index: part } as SegmentRef["segment"];
  return logIndexOpener({ storages: new Map([["main", storage]]) }, identity)({ repository: "main", prefix: "p/", segment });
}

const list = (file: string, ...groups: LogGroup[]): string => JSON.stringify({ formatVersion: 1, file, groups });

test("a list that fits its piece is read", async () => {
  await expect(open(list("bin.000001", group(100, 200), group(200, 300)))).resolves.toMatchObject({ file: "bin.000001", groups: [{ start: 100 }, { start: 200 }] });
});

test.each([
  ["no JSON", "rubbish", /is not one that this version can read/],
  ["another form", "{}", /is not one that this version can read/],
  ["another file's", list("bin.000002", group(100, 200), group(200, 300)), /it is of bin\.000002, the piece of bin\.000001/],
  ["too short", list("bin.000001", group(100, 200)), /it has 1 groups, the piece 2/],
  ["of bytes before the piece", list("bin.000001", group(90, 200), group(200, 300)), /0-1-90 lies from 90 to 200, the piece from 100 to 300/],
  ["of bytes behind the piece", list("bin.000001", group(100, 200), group(200, 301)), /lies from 200 to 301/],
  ["of groups that end before they begin", list("bin.000001", group(100, 200), group(250, 240)), /lies from 250 to 240/],
])("a list that is %s is refused by the piece's name", async (_what, text, message) => {
  const refused = open(text);
  await expect(refused).rejects.toMatchObject({ code: "FORMAT_INVALID", message: expect.stringMatching(message) as string });
  await expect(refused).rejects.toThrow(SEGMENT_ID);
});

test("a list that the server cannot open is refused by the piece's name", async () => {
  const refused = open(list("bin.000001", group(100, 200), group(200, 300)), stranger);
  await expect(refused).rejects.toMatchObject({ code: "KEY_WRONG" });
  await expect(refused).rejects.toThrow(SEGMENT_ID);
});
