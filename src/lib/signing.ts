import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import { HoldfastError } from "./errors.ts";

/** A document with an Ed25519 signature over `<kind>\n<canonical JSON of body>`. */
export interface Signed<T> {
  readonly kind: string;
  readonly body: T;
  readonly signature: { readonly key: string; readonly value: string };
}

/** Signs documents. `fingerprint` is the SHA-256 (hex) of the raw 32-byte public key. */
export interface Signer {
  readonly fingerprint: string;
  readonly publicKey: string;
  sign<T>(kind: string, body: T): Signed<T>;
}

function message(kind: string, body: unknown): Buffer {
  return Buffer.from(`${kind}\n${canonicalJson(body)}`, "utf8");
}

function rawPublicKey(key: KeyObject): Buffer {
  const { x } = key.export({ format: "jwk" });
  if (x === undefined) throw new HoldfastError("INTERNAL", "the signing key is not an Ed25519 key");
  return Buffer.from(x, "base64url");
}

/** The fingerprint by which people name a signing key; takes the public key in base64url as `Signer.publicKey` gives it. */
export function keyFingerprint(publicKey: string): string {
  return createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex");
}

/** A new private key as PKCS#8 PEM. */
export function generateSigningKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

export function signerFrom(privateKeyPem: string): Signer {
  const key = createPrivateKey(privateKeyPem);
  const publicKey = rawPublicKey(createPublicKey(key)).toString("base64url");
  const fingerprint = keyFingerprint(publicKey);
  return {
    fingerprint,
    publicKey,
    sign: (kind, body) => ({ kind, body, signature: { key: fingerprint, value: sign(null, message(kind, body), key).toString("base64url") } }),
  };
}

/** Returns the body of a document of this kind signed by this key; throws SIGNATURE_INVALID and names the document otherwise. */
export function verifySigned<T>(document: Signed<T>, expected: { kind: string; publicKey: string; name: string }): T {
  const refuse = (why: string): never => {
    throw new HoldfastError("SIGNATURE_INVALID", `${expected.name} is refused: ${why}.`);
  };
  if (document.kind !== expected.kind) return refuse(`it says it is a ${document.kind}, not a ${expected.kind}`);
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: expected.publicKey }, format: "jwk" });
  const good = verify(null, message(document.kind, document.body), key, Buffer.from(document.signature.value, "base64url"));
  return good ? document.body : refuse("its signature does not match its content and this installation's key");
}
