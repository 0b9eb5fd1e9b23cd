import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config } from "./config/config.ts";
import { type KeyholderPlace, nameOf, type RemoteKeyholder, remoteKeyholder } from "./keys/remote-keyholder.ts";
import { isoTime, systemClock } from "./lib/clock.ts";
import { asHoldfastError } from "./lib/errors.ts";
import { formatDuration } from "./lib/units.ts";
import { idFactory } from "./lib/ids.ts";
import { type Signer, signerFrom } from "./lib/signing.ts";
import type { Diagnosis } from "./model/api/system.ts";
import { type Grant, GRANT_KIND } from "./model/grant.ts";
import { openBytes, sealBytes } from "./pack/seal.ts";
import { stateDirAt } from "./state-dir.ts";

const PROBE_BYTES = 4096;
const PROBE_MS = 60_000;
/** Grants live for minutes: clocks that are further apart make them useless. */
const APART_MS = 60_000;

/**
 * Proves the keyholder of a configuration by what it is for: something new is sealed to the configured recipients, and it
 * must give the key of it for a grant that this server signs.
 */
export async function checkKeyholder(config: Config, place: KeyholderPlace): Promise<Diagnosis> {
  const subject = `keyholder ${nameOf(place)}`;
  const fault = (message: string, remedy: string): Diagnosis => ({ subject, status: "error", message, remedy });
  const keyholder = remoteKeyholder(place);
  try {
    const held = await keyholder.held();
    const named = config.keys.recipients.filter((recipient) => held.recipients.includes(recipient));
    if (named.length === 0) return fault("it holds no identity of the configured recipients", "Name the file of the daily identity under `identities` of the keyholder, or its recipient under `keys.recipients` here.");
    const signer = await ownSigner(config);
    if (signer === null) return { subject, status: "warning", message: `it holds the identity of ${named.join(", ")}; this server has no signing key yet, so nothing can be tried`, remedy: "Start `holdfast up` once." };
    if (held.signingKeyFingerprint !== signer.fingerprint) {
      return fault(`it believes grants of the signing key ${held.signingKeyFingerprint}, and this server's is ${signer.fingerprint}`, `Set \`signingKey: ${signer.publicKey}\` in the keyholder's configuration, and start it again.`);
    }
    const apartMs = Math.abs(Date.parse(held.now) - systemClock.nowMs());
    if (apartMs > APART_MS) return fault(`its clock and this machine's are ${formatDuration(apartMs)} apart, and grants are valid for minutes`, "Set both clocks right; docs/keys.md tells what a clock that ran ahead leaves behind.");
    await prove(config, keyholder, signer);
    return { subject, status: "ok", message: `it opens what is sealed to ${named.join(", ")}`, remedy: null };
  } catch (error) {
    const { message, hint } = asHoldfastError(error);
    return fault(message, hint);
  }
}

async function prove(config: Config, keyholder: RemoteKeyholder, signer: Signer): Promise<void> {
  const plain = randomBytes(PROBE_BYTES);
  const { part, chunks } = await sealBytes(plain, { name: "probe", recipients: config.keys.recipients, compressionLevel: 1 });
  const newId = idFactory();
  const opened = await openBytes(part, Buffer.concat(chunks), async (key, header) => {
    const expiresAt = isoTime(systemClock.nowMs() + PROBE_MS);
    const headerSha256 = createHash("sha256").update(header).digest("hex");
    const grant: Grant = { grantId: newId(), operation: "get", repository: "probe", key, attemptId: newId(), sizeBytes: part.sizeBytes, sha256: part.sha256, expiresAt, headerSha256 };
    const [fileKey] = await keyholder.open([{ grant: signer.sign(GRANT_KIND, grant), header }]);
    return fileKey ?? new Uint8Array();
  });
  if (!plain.equals(opened)) throw new Error("it opens what is sealed, but other bytes come out");
}

/** Null where no server has run yet. */
async function ownSigner({ stateDir }: Config): Promise<Signer | null> {
  const pem = await readFile(stateDirAt(stateDir).signingKeyPath, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  });
  return pem === null ? null : signerFrom(pem);
}
