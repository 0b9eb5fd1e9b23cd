import { request } from "node:https";
import { exchange } from "../../../lib/exchange.ts";
import { parseAddress } from "../../../lib/address.ts";
import { makeCertificate } from "../../../lib/self-made-certificate.ts";
import { generateSigningKey, signerFrom } from "../../../lib/signing.ts";
import { api } from "../../../model/api/index.ts";
import { GRANT_KIND, type SignedGrant } from "../../../model/grant.ts";
import { type Answer, answerOf, type Attempt, isRefusal } from "../attempt.ts";
import type { StolenLease } from "./api.ts";
import type { StoredObject } from "./plan.ts";

const HEADER = Buffer.from("age-encryption.org/v1\n-> X25519 AAAA\nAAAA\n--- AAAA\n").toString("base64");

/** File keys, from the server in the agent's name and from the keyholder itself. */
export function keyAttempts(lease: StolenLease, { address, ca, grant, stored: [first] }: { address: string; ca: string; grant: SignedGrant; stored: readonly StoredObject[] }): Attempt[] {
  const at = "server, file keys";
  const victim = { key: first?.key ?? "", sizeBytes: first?.sizeBytes ?? 0, sha256: first?.sha256 ?? "", headerSha256: "0".repeat(64) };
  const wanted = { ...grant.body, ...victim, operation: "get" as const };
  const forged = signerFrom(generateSigningKey()).sign(GRANT_KIND, wanted);
  const open = (with_: SignedGrant) => () => answerOf(() => lease.client.call(api.agent.openKeys, { requests: [{ grant: with_, header: HEADER }] }));
  const keyholder = "keyholder";
  return [
    { at, what: "open a pack with a grant to write", run: open(grant) },
    { at, what: "open a pack with an altered grant", run: open({ ...grant, body: wanted }) },
    { at, what: "open a pack with a grant of its own", run: open(forged) },
    { at, what: "open a pack in the name of a committed backup's attempt", run: open({ ...forged, body: { ...wanted, attemptId: first?.key.split("/")[2] ?? "" } }) },
    { at: keyholder, what: "ask it without a certificate", run: () => askKeyholder(address, { ca }) },
    { at: keyholder, what: "ask it with a certificate of its own", run: () => askKeyholder(address, { ca, ...selfMade() }) },
    { at: keyholder, what: "open a pack there with a grant of its own", run: () => askKeyholder(address, { ca, ...selfMade(), body: JSON.stringify({ requests: [{ grant: forged, header: HEADER }] }) }) },
  ];
}

function selfMade(): { cert: string; key: string } {
  const pem = makeCertificate({ names: ["server"], nowMs: Date.now(), validMs: 3_600_000 });
  return { cert: pem, key: pem };
}

/** TLS itself says no: nothing that was sent is looked at. */
async function askKeyholder(address: string, { body, ...tls }: { ca: string; cert?: string; key?: string; body?: string }): Promise<Answer> {
  const { host, port } = parseAddress(address) ?? { host: "", port: 0 };
  const path = body === undefined ? "/v1/keys/held" : api.agent.openKeys.path;
  try {
    const { status } = await exchange(request({ host, port, path, method: body === undefined ? "GET" : "POST", agent: false, ...tls }), body);
    return { refused: isRefusal(status), said: String(status) };
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code);
    // Where the answer was quicker than the alert, the connection is just gone; a keyholder that is away says ECONNREFUSED.
    return { refused: code.startsWith("ERR_SSL") || code === "ECONNRESET" || code === "EPIPE", said: code };
  }
}
