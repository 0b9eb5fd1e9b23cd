import type { Clock } from "../lib/clock.ts";
import { asHoldfastError } from "../lib/errors.ts";
import { checkGrantHeader, checkGrantTerms, type VerifyGrant } from "../model/grant-check.ts";
import { readIdentityFile } from "./identities.ts";
import type { Keyholder, OpenRequest } from "./keyholder.ts";
import { type HeaderOpener, headerOpener } from "./open-header.ts";
import type { Release } from "./release.ts";

export interface FileKeyholderOptions {
  /** Identity files; each of their identities is tried. */
  readonly identityPaths: readonly string[];
  /** Which setting names them, for messages. */
  readonly identitiesField: string;
  /** Checks signature and kind with the server's public key (see `grantVerifier`). */
  readonly verifyGrant: VerifyGrant;
  readonly clock: Clock;
  /** Counts a key that is about to be given; throws when there were too many. */
  readonly admit?: (attemptId: string) => void;
  /** Keeps what was done. A key leaves only after this has kept its release; what it throws is thrown instead. */
  record(release: Release): Promise<void>;
}

/**
 * A keyholder whose identities lie in files. They are read at each opening, so that a key can be taken away or added
 * without a restart. Every release and every refusal is recorded, the key never.
 */
export function openKeyholder(options: FileKeyholderOptions): Keyholder {
  return {
    async open(requests) {
      const opener = headerOpener(await readIdentities(options), options.identitiesField);
      const fileKeys: Uint8Array[] = [];
      for (const request of requests) fileKeys.push(await release(options, opener, request));
      return fileKeys;
    },
  };
}

async function readIdentities({ identityPaths }: FileKeyholderOptions): Promise<string[]> {
  const files = await Promise.all(identityPaths.map((path) => readIdentityFile(path)));
  return files.flat().map((pair) => pair.identity);
}

async function release(options: FileKeyholderOptions, opener: HeaderOpener, request: OpenRequest): Promise<Uint8Array> {
  const { grantId, attemptId, repository, key } = request.grant.body;
  const asked = { grantId, attemptId, repository, key };
  const fileKey = await fileKeyOf(options, opener, request).catch(async (error: unknown) => {
    const { code, message } = asHoldfastError(error);
    await options.record({ event: "refused", ...asked, error: { code, message } });
    throw error;
  });
  await options.record({ event: "released", ...asked });
  return fileKey;
}

/** The order is that of what each step costs and gives away: who signed, what for, how many, and only then the key. */
async function fileKeyOf({ verifyGrant, clock, admit }: FileKeyholderOptions, opener: HeaderOpener, { grant: signed, header }: OpenRequest): Promise<Uint8Array> {
  const grant = verifyGrant(signed);
  checkGrantTerms(grant, { operation: "get", nowMs: clock.nowMs() });
  checkGrantHeader(grant, header);
  admit?.(grant.attemptId);
  return opener(grant.key, header);
}

/** Recipients whose identities lie in these files; throws as `readIdentityFile` does. */
export async function heldRecipients(identityPaths: readonly string[]): Promise<string[]> {
  const files = await Promise.all(identityPaths.map((path) => readIdentityFile(path)));
  return files.flat().map((pair) => pair.recipient);
}
