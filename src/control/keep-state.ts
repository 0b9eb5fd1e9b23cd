import { createHash } from "node:crypto";
import { listInstances } from "../catalog/instances.ts";
import { listPolicies } from "../catalog/policies.ts";
import { getSetting, putSetting } from "../catalog/settings.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import { isoTime } from "../lib/clock.ts";
import { asHoldfastError, HoldfastError } from "../lib/errors.ts";
import {
  POLICY_VERSION_KIND, POLICY_VERSION_PREFIX, policyVersionKey, type PolicyVersionDocument, SERVER_STATE_KIND, SERVER_STATE_PREFIX, type ServerState,
  type ServerStateDocument, serverStateKey,
} from "../model/server-state.ts"; // prettier-ignore
import type { Storage } from "../storage/storage.ts";
import { isFrozen } from "./frozen.ts";
import { repositoryIdOf } from "./open-repository.ts";
import type { ControlPorts } from "./ports.ts";
import { keepDocument } from "./stored-document.ts";

/** What is kept of this server, and how it is sealed. */
export interface KeptState extends Pick<ServerState, "signingKey" | "metadataIdentity" | "configuration"> {
  /** The installation's own recipients: each of their identities can bring the server back. */
  readonly recipients: readonly string[];
  seal(text: string, recipients: readonly string[]): Promise<Uint8Array>;
}

type Sealed = Pick<ServerStateDocument, "formatVersion" | "repositoryId" | "documentId" | "at" | "recipients" | "sealed">;

/** One repository in one pass. */
interface Place {
  readonly ports: ControlPorts;
  readonly kept: KeptState;
  /** How the configuration calls it. */
  readonly repository: string;
  readonly storage: Storage;
  readonly repositoryId: string;
  /** SHA-256 of what was stored last, by repository and subject. */
  readonly stored: Record<string, string>;
}

/**
 * Stores in every repository what it takes to come back without this machine: the server's own state and each policy's
 * current version, sealed and signed. Nothing is written that was not changed, and nothing while the catalog is frozen:
 * a configuration that nobody has completed yet must not become the newest. Returns the keys written; what the first
 * repository that fails says is thrown after the others had their turn.
 */
export async function keepServerState(ports: ControlPorts, kept: KeptState): Promise<string[]> {
  const { db } = ports.catalog;
  if (await isFrozen(db)) return [];
  const written: string[] = [];
  let failure: HoldfastError | undefined;
  for (const [name, storage] of ports.storages) {
    try {
      const place = { ports, kept, repository: name, storage, repositoryId: await repositoryIdOf(ports, name), stored: await storedHashes(db) };
      written.push(...(await keepIn(place, name)));
    } catch (error) {
      ports.log.error({ repository: name, err: error }, "the server's state cannot be kept in a repository");
      failure ??= asHoldfastError(error);
    }
  }
  if (failure !== undefined) throw failure;
  return written;
}

async function keepIn(place: Place, name: string): Promise<string[]> {
  const { ports, kept } = place;
  const { db } = ports.catalog;
  const written: string[] = [];
  for (const { name: policy, version, spec } of await listPolicies(db)) {
    const key = await keep(place, { subject: `policy ${policy}`, text: canonicalJson({ name: policy, version, spec }), prefix: POLICY_VERSION_PREFIX }, (sealed) => {
      const body: PolicyVersionDocument = { ...sealed, name: policy, version };
      return { key: policyVersionKey(sealed.documentId), document: ports.signer.sign(POLICY_VERSION_KIND, body) };
    });
    if (key !== null) written.push(key);
  }
  const { signingKey, metadataIdentity, configuration } = kept;
  const instances = (await listInstances(db)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const state: ServerState = { formatVersion: 1, repositoryName: name, signingKey, metadataIdentity, configuration, instances };
  const key = await keep(place, { subject: "state", text: canonicalJson(state), prefix: SERVER_STATE_PREFIX }, (sealed) => ({
    key: serverStateKey(sealed.documentId),
    document: ports.signer.sign(SERVER_STATE_KIND, sealed satisfies ServerStateDocument),
  }));
  return key === null ? written : [...written, key];
}

/** Seals and stores a text unless it was the last one stored of its subject; the key, or null. */
async function keep(place: Place, secret: { subject: string; text: string; prefix: string }, toDocument: (sealed: Sealed) => { key: string; document: unknown }): Promise<string | null> {
  const { ports, kept, repository, storage, repositoryId, stored } = place;
  const recipients = [...kept.recipients];
  const subject = `${repositoryId} ${secret.subject}`;
  const hash = createHash("sha256").update(canonicalJson([recipients, secret.text])).digest("hex");
  if (stored[subject] === hash) return null;
  const documentId = ports.newId();
  await refuseOlder(storage, secret.prefix, documentId);
  const sealed = Buffer.from(await kept.seal(secret.text, recipients)).toString("base64");
  const { key, document } = toDocument({ formatVersion: 1, repositoryId, documentId, at: isoTime(ports.clock.nowMs()), recipients, sealed });
  await keepDocument(ports, repository, { key, text: JSON.stringify(document) });
  // A crash before this line stores the same once more: the newest counts.
  stored[subject] = hash;
  await putSetting(ports.catalog.db, "keptDocuments", JSON.stringify(stored));
  ports.log.info({ repositoryId, key }, "the server's state is kept");
  return key;
}

/** The newest id counts, so one that sorts before another would not be seen. */
async function refuseOlder(storage: Storage, prefix: string, documentId: string): Promise<void> {
  for await (const { key } of storage.list(prefix)) {
    if (key <= `${prefix}${documentId}`) continue;
    throw new HoldfastError("CONFLICT", `${key} in ${storage.describe()} was stored at a later time than this server's clock shows.`, {
      hint: "Set the clock right. If another server works on this repository, stop one of the two.",
    });
  }
}

async function storedHashes(db: CatalogDb): Promise<Record<string, string>> {
  return JSON.parse((await getSetting(db, "keptDocuments")) ?? "{}") as Record<string, string>;
}
