import { z } from "zod";
import type { RepositoryMark } from "./model/manifest.ts";
import {
  POLICY_VERSION_KIND, POLICY_VERSION_PREFIX, policyVersionDocumentSchema, type PolicyVersionDocument, policyVersionKey, SERVER_STATE_KIND, SERVER_STATE_PREFIX,
  serverStateDocumentSchema, serverStateKey, type ServerState, type ServerStateDocument, serverStateSchema,
} from "./model/server-state.ts"; // prettier-ignore
import type { NamedPolicy } from "./catalog/policies.ts";
import { readDocument } from "./control/stored-document.ts";
import { verifiedDocument } from "./control/verified-document.ts";
import { openSealedText } from "./keys/sealed-text.ts";
import { HoldfastError, isHoldfastError } from "./lib/errors.ts";
import { signerFrom } from "./lib/signing.ts";
import type { Policy } from "./model/policy.ts";
import type { Storage } from "./storage/storage.ts";

export interface StoredState {
  readonly state: ServerState;
  readonly key: string;
  /** When it was stored. */
  readonly at: string;
  /** The newest version of each policy. */
  readonly policies: NamedPolicy[];
  /** `key: why` of every document that was not believed. */
  readonly refused: string[];
}

interface ReadFrom {
  readonly storage: Storage;
  /** Its signing key is the one that a person has vouched for. */
  readonly mark: RepositoryMark;
  readonly identities: readonly string[];
}

type Body = ServerStateDocument | PolicyVersionDocument;

const policyTextSchema = z.object({ name: z.string(), version: z.number(), spec: z.record(z.string(), z.unknown()) });

/**
 * Reads what a server kept of itself, believing only what the repository's signing key has signed; forged, damaged and
 * misplaced documents are named in `refused` and passed over. NOT_FOUND when nothing is left to believe, KEY_WRONG when
 * the identities open neither the newest state nor a policy, FORMAT_INVALID when the state holds another signing key.
 */
export async function readServerState(from: ReadFrom): Promise<StoredState> {
  const refused: string[] = [];
  const states = await readAll(from, refused, { prefix: SERVER_STATE_PREFIX, kind: SERVER_STATE_KIND, schema: serverStateDocumentSchema, keyOf: serverStateKey });
  const newest = states.at(-1);
  if (newest === undefined) throw noState(from.storage, refused);
  const key = serverStateKey(newest.documentId);
  const state = parsed(key, serverStateSchema, await openSealed(from, key, newest));
  const { fingerprint } = signerFrom(state.signingKey);
  if (fingerprint !== from.mark.signingKeyFingerprint) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it holds the signing key ${fingerprint}, not the repository's ${from.mark.signingKeyFingerprint}.`);
  const versions = await readAll(from, refused, { prefix: POLICY_VERSION_PREFIX, kind: POLICY_VERSION_KIND, schema: policyVersionDocumentSchema, keyOf: policyVersionKey });
  return { state, key, at: newest.at, policies: await newestPolicies(from, versions), refused };
}

function noState(storage: Storage, refused: readonly string[]): HoldfastError {
  const why = refused.length === 0 ? "it was written by a version that kept none" : `what lies there is refused: ${refused.join("; ")}`;
  return new HoldfastError("NOT_FOUND", `${storage.describe()} holds no state of a server below ${SERVER_STATE_PREFIX}; ${why}.`, {
    hint: "Put back the `keys` directory and the configuration from a copy and run `holdfast catalog rebuild`, or restore with the standard tools (docs/restore-without-holdfast.md).",
    details: { refused },
  });
}

interface Wanted<B extends Body> {
  readonly prefix: string;
  readonly kind: string;
  readonly schema: z.ZodType<B>;
  keyOf(documentId: string): string;
}

/** Every document below a prefix that is what it should be, oldest first. */
async function readAll<B extends Body>({ storage, mark }: ReadFrom, refused: string[], wanted: Wanted<B>): Promise<B[]> {
  const bodies: B[] = [];
  for await (const { key } of storage.list(wanted.prefix)) {
    try {
      bodies.push(checked(key, await readDocument(storage, key), mark, wanted));
    } catch (error) {
      if (!isHoldfastError(error, "SIGNATURE_INVALID") && !isHoldfastError(error, "FORMAT_INVALID")) throw error;
      refused.push(`${key}: ${error.message}`);
    }
  }
  return bodies;
}

function checked<B extends Body>(key: string, text: string, mark: RepositoryMark, wanted: Wanted<B>): B {
  const { body } = verifiedDocument(text, { key, publicKey: mark.signingPublicKey, kind: wanted.kind });
  const result = wanted.schema.safeParse(body);
  if (!result.success) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: this version cannot read it.`, { cause: result.error });
  const place = wanted.keyOf(result.data.documentId);
  if (place !== key) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it belongs at ${place}.`);
  if (result.data.repositoryId !== mark.repositoryId) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it belongs to repository ${result.data.repositoryId}.`);
  return result.data;
}

function parsed<T>(key: string, schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it is not JSON.`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HoldfastError("FORMAT_INVALID", `${key} is refused: this version cannot read it.`, { cause: result.error });
}

async function openSealed({ identities }: ReadFrom, key: string, { sealed, recipients }: Body): Promise<string> {
  try {
    return await openSealedText(key, Buffer.from(sealed, "base64"), identities);
  } catch (cause) {
    if (!isHoldfastError(cause, "KEY_WRONG")) throw cause;
    throw new HoldfastError("KEY_WRONG", `The identity does not open ${key}, which is sealed to ${recipients.join(" and ")}.`, { cause, hint: "Name the file with the identity of one of these recipients." });
  }
}

/** Documents come oldest first: of each name the last one counts, and only that is opened. */
async function newestPolicies(from: ReadFrom, versions: readonly PolicyVersionDocument[]): Promise<NamedPolicy[]> {
  const newest = new Map(versions.map((version) => [version.name, version]));
  const policies: NamedPolicy[] = [];
  for (const [name, document] of newest) {
    const key = policyVersionKey(document.documentId);
    const { spec } = parsed(key, policyTextSchema, await openSealed(from, key, document));
    // Kept as parsed, as the catalog keeps it: its durations are numbers by now, which the policy's schema would refuse.
    policies.push({ name, version: document.version, spec: spec as Policy });
  }
  return policies;
}
