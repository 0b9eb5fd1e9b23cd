import { parseRecipients } from "./keys/recipients.ts";
import { type Clock, isoTime } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import { createPrivateFile, readPrivateFile } from "./lib/private-file.ts";
import { generateSigningKey, type Signer, signerFrom } from "./lib/signing.ts";
import { RECIPIENTS_KIND, type SignedRecipients } from "./model/signed-recipients.ts";

/** Makes the key that signs lists of recipients: its private half into a new file, for a place away from every server. */
export async function makeOrganisationKey(path: string): Promise<{ path: string; publicKey: string; fingerprint: string }> {
  const pem = generateSigningKey();
  await createPrivateFile(path, pem, "an organisation's key");
  const { publicKey, fingerprint } = signerFrom(pem);
  return { path, publicKey, fingerprint };
}

export interface SignRequest {
  readonly keyPath: string;
  readonly recipients: readonly string[];
  /** Higher than of every list before; the seconds since 1970 unless told. */
  readonly serial: number | undefined;
  readonly clock: Clock;
}

/** Signs a list of recipients for agents that pin the public half. Throws RECIPIENT_INVALID, KEY_MISSING and REFUSED. */
export async function signRecipients({ keyPath, recipients, serial, clock }: SignRequest): Promise<SignedRecipients> {
  const signer = await organisationSigner(keyPath);
  const nowMs = clock.nowMs();
  return signer.sign(RECIPIENTS_KIND, { serial: serial ?? Math.floor(nowMs / 1_000), signedAt: isoTime(nowMs), recipients: parseRecipients(recipients) });
}

async function organisationSigner(path: string): Promise<Signer> {
  const pem = await readPrivateFile(path, "organisation's key").catch((cause: unknown) => {
    throw cause instanceof HoldfastError ? cause : new HoldfastError("KEY_MISSING", `The organisation's key ${path} cannot be read: ${(cause as Error).message}.`, { cause, hint: "Name the file that `holdfast key organisation` made." });
  });
  try {
    return signerFrom(pem);
  } catch {
    // Without a cause: a library's message could hold the secret.
    throw new HoldfastError("FORMAT_INVALID", `${path} holds no Ed25519 private key.`, { hint: "Name the file that `holdfast key organisation` made." });
  }
}
