import { getRepository, setRepositoryId } from "../catalog/repositories.ts";
import { isoTime } from "../lib/clock.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { REPOSITORY_MARK_KEY, type RepositoryMark } from "../model/manifest.ts";
import { readRepositoryMark, refuseForeign } from "../storage/repository-mark.ts";
import type { Storage } from "../storage/storage.ts";
import { type ControlPorts, storageOf } from "./ports.ts";
import { writeDocument } from "./stored-document.ts";

type MarkMaker = Pick<ControlPorts, "signer" | "clock" | "newId">;

/**
 * Reads the mark of a repository or, on first use, writes it. REPOSITORY_FOREIGN names both signing keys when the
 * repository belongs to another installation.
 */
export async function openRepository(ports: MarkMaker, storage: Storage): Promise<RepositoryMark> {
  const own = ports.signer.fingerprint;
  const mark = (await readRepositoryMark(storage)) ?? (await writeMark(ports, storage));
  return mark.signingKeyFingerprint === own ? mark : refuseForeign(storage, mark.signingKeyFingerprint, own);
}

async function writeMark(ports: MarkMaker, storage: Storage): Promise<RepositoryMark> {
  const mark: RepositoryMark = {
    formatVersion: 1,
    repositoryId: ports.newId(),
    signingKeyFingerprint: ports.signer.fingerprint,
    signingPublicKey: ports.signer.publicKey,
    createdAt: isoTime(ports.clock.nowMs()),
  };
  try {
    await writeDocument(storage, REPOSITORY_MARK_KEY, `${JSON.stringify(mark, null, 2)}\n`);
    return mark;
  } catch (error) {
    // Somebody else was first: theirs counts.
    const winner = isHoldfastError(error, "OBJECT_EXISTS") ? await readRepositoryMark(storage) : null;
    if (winner === null) throw error;
    return winner;
  }
}

/** Opens every configured repository and records its id; the names of those that could not be opened, with why. */
export async function openRepositories(ports: ControlPorts): Promise<{ name: string; error: unknown }[]> {
  const failed: { name: string; error: unknown }[] = [];
  for (const [name, storage] of ports.storages) {
    try {
      const mark = await openRepository(ports, storage);
      await setRepositoryId(ports.catalog.db, name, mark.repositoryId);
    } catch (error) {
      ports.log.error({ repository: name, err: error }, "repository cannot be opened");
      failed.push({ name, error });
    }
  }
  return failed;
}

/** The id that documents of this repository carry; opens the repository when that was not done yet. */
export async function repositoryIdOf(ports: ControlPorts, name: string): Promise<string> {
  const known = (await getRepository(ports.catalog.db, name))?.repositoryId ?? null;
  if (known !== null) return known;
  const mark = await openRepository(ports, storageOf(ports, name));
  await setRepositoryId(ports.catalog.db, name, mark.repositoryId);
  return mark.repositoryId;
}
