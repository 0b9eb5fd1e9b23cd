import type { Clock } from "../lib/clock.ts";
import { toErrorRecord } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { SignedGrant } from "../model/grant.ts";
import { checkGrantHeader, checkGrantTerms, type VerifyGrant } from "../model/grant-check.ts";
import { readIdentityFile } from "./identities.ts";
import type { Keyholder } from "./keyholder.ts";
import { type HeaderOpener, headerOpener } from "./open-header.ts";
import { recipientFingerprints } from "./recipients.ts";

export interface FileKeyholderOptions {
  /** Identity files; each of their identities is tried. */
  readonly identityPaths: readonly string[];
  /** Checks signature and kind with the server's public key (see `grantVerifier`). */
  readonly verifyGrant: VerifyGrant;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * A keyholder whose identities lie in files. They are read at each opening, so that a key can be taken away or added
 * without a restart. Every release and every refusal is logged, the key never.
 */
export function openKeyholder(options: FileKeyholderOptions): Keyholder {
  return {
    async open(requests) {
      const opener = headerOpener(await readIdentities(options));
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

async function release(
  { verifyGrant, log, clock }: FileKeyholderOptions,
  opener: HeaderOpener,
  { grant: signed, header }: { grant: SignedGrant; header: Uint8Array },
): Promise<Uint8Array> {
  const { grantId, attemptId, repository, key } = signed.body;
  const fields = { grantId, attemptId, repository, key };
  try {
    const grant = verifyGrant(signed);
    checkGrantTerms(grant, { operation: "get", nowMs: clock.nowMs() });
    checkGrantHeader(grant, header);
    const fileKey = await opener(key, header);
    log.info(fields, "file key released");
    return fileKey;
  } catch (error) {
    log.warn({ ...fields, error: toErrorRecord(error) }, "file key refused");
    throw error;
  }
}

/** Fingerprints of the recipients whose identities this keyholder has; throws as `readIdentityFile` does. */
export async function heldFingerprints(identityPaths: readonly string[]): Promise<string[]> {
  const files = await Promise.all(identityPaths.map((path) => readIdentityFile(path)));
  return recipientFingerprints(files.flat().map((pair) => pair.recipient));
}
