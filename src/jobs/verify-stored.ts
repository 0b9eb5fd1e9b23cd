import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Unpacked } from "../engines/engine.ts";
import type { StoredPart } from "../model/manifest.ts";
import type { CheckResult } from "../model/verification.ts";
import { verdict, type Verifying } from "./verdict.ts";

/** T0: every stored object has the size and hash of its manifest. */
export async function checkStoredBytes(run: Verifying): Promise<void> {
  const objects = [
    ...run.order.chain.flatMap((backup) => [...backup.packs, backup.index].map((part) => ({ prefix: backup.prefix, part }))),
    ...run.order.segments.flatMap(({ prefix, segment }) => [segment.object, segment.index].map((part) => ({ prefix, part }))),
  ];
  const bytes = objects.reduce((sum, { part }) => sum + part.sizeBytes, 0);
  const differences = await run.phases.run("hash", bytes, async () => {
    const wrong: string[] = [];
    for (const { prefix, part } of objects) {
      const difference = await compareObject(run, prefix, part);
      if (difference !== null) wrong.push(difference);
    }
    return wrong;
  });
  run.checks.push(verdict("T0", "stored bytes", differences, `${String(objects.length)} objects, ${String(bytes)} bytes hashed`));
}

async function compareObject(run: Verifying, prefix: string, part: StoredPart): Promise<string | null> {
  run.ports.signal.throwIfAborted();
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of await run.ports.get(`${prefix}${part.name}`)) {
    hash.update(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).byteLength;
  }
  if (sizeBytes !== part.sizeBytes) return `${prefix}${part.name} has ${String(sizeBytes)} bytes, not ${String(part.sizeBytes)}`;
  return hash.digest("hex") === part.sha256 ? null : `${prefix}${part.name} does not match its SHA-256`;
}

/** T1: what was unpacked is what the index names, file by file, size by size. */
export async function checkUnpacked(chain: readonly Unpacked[]): Promise<CheckResult> {
  const differences: string[] = [];
  let files = 0;
  for (const { dir, index } of chain) {
    for (const file of index.files) {
      files += 1;
      const found = await lstat(join(dir, file.path)).catch(() => null);
      if (found === null) differences.push(`${file.path} was not unpacked`);
      else if (found.size !== file.sizeBytes) differences.push(`${file.path} has ${String(found.size)} bytes, not ${String(file.sizeBytes)}`);
    }
  }
  return verdict("T1", "unpack", differences, `${String(files)} files unpacked and compared with the index`);
}
