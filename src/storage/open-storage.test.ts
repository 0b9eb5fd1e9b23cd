import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeStorage } from "../../test/contract/storage.ts";
import { openStorage } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-open-"));
afterAll(() => rm(folder, { recursive: true }));

const GIB_PER_S = 1024 ** 3;
let count = 0;

// What surrounds a driver keeps every sentence of the contract.
describeStorage("opened with limits and trace", async () => openStorage("local", { path: join(folder, String((count += 1))) }, { limits: { uploadBytesPerS: GIB_PER_S, downloadBytesPerS: GIB_PER_S } }));
