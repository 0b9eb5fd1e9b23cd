import { generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIP, isIPv4 } from "node:net";

/** A certificate that nobody but its own key vouches for, and that key; both as PEM in one text. */
export interface CertificateRequest {
  /** Host names and addresses that it is for; the first one is its common name. */
  readonly names: readonly string[];
  readonly nowMs: number;
  readonly validMs: number;
}

/** Clocks of clients may be behind a little. */
const EARLIER_MS = 24 * 3_600_000;

/** Object identifiers in DER. */
const OID = {
  commonName: "0603550403",
  ecdsaWithSha256: "06082a8648ce3d040302",
  subjectAltName: "0603551d11",
  basicConstraints: "0603551d13",
  keyUsage: "0603551d0f",
  extendedKeyUsage: "0603551d25",
  serverAuthentication: "06082b06010505070301",
} as const;

/**
 * Makes a P-256 key and a certificate for a server. It is trusted by its fingerprint, which a person carries from the
 * server to its clients, so it says that it may sign no other.
 */
export function makeCertificate({ names, nowMs, validMs }: CertificateRequest): string {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = sequence(set(sequence(Buffer.from(OID.commonName, "hex"), tagged(0x0c, Buffer.from(names[0] ?? "holdfast")))));
  const algorithm = sequence(Buffer.from(OID.ecdsaWithSha256, "hex"));
  const extensions = [
    extension(OID.subjectAltName, sequence(...names.map(generalName)), false),
    extension(OID.basicConstraints, sequence(), true),
    // digitalSignature: the first of the bits, seven unused.
    extension(OID.keyUsage, tagged(0x03, Buffer.from([7, 0x80])), true),
    extension(OID.extendedKeyUsage, sequence(Buffer.from(OID.serverAuthentication, "hex")), false),
  ];
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    serialNumber(),
    algorithm,
    name,
    sequence(time(nowMs - EARLIER_MS), time(nowMs + validMs)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", content, privateKey);
  const certificate = sequence(content, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return `${privateKey.export({ type: "pkcs8", format: "pem" }) as string}${new X509Certificate(certificate).toString()}`;
}

/** SHA-256 of a certificate in hex, as `openssl x509 -fingerprint -sha256` shows it, but plain. */
export function certificateFingerprint(pem: string): string {
  return plainFingerprint(new X509Certificate(pem).fingerprint256);
}

/** A fingerprint as people write it (colons, capitals), as we compare it. */
export function plainFingerprint(text: string): string {
  return text.replaceAll(":", "").toLowerCase();
}

function tagged(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const digits = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...digits]), content]);
}

const sequence = (...parts: Uint8Array[]): Buffer => tagged(0x30, Buffer.concat(parts));
const set = (...parts: Uint8Array[]): Buffer => tagged(0x31, Buffer.concat(parts));

function extension(oid: string, value: Uint8Array, isCritical: boolean): Buffer {
  const critical = isCritical ? [Buffer.from([0x01, 0x01, 0xff])] : [];
  return sequence(Buffer.from(oid, "hex"), ...critical, tagged(0x04, value));
}

/** Positive, and not the same twice. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return tagged(0x02, bytes);
}

/** Years from 2050 on have a form of their own. */
function time(atMs: number): Buffer {
  const digits = `${new Date(atMs).toISOString().replace(/\D/g, "").slice(0, 14)}Z`;
  return Number(digits.slice(0, 4)) < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0 ? tagged(0x82, Buffer.from(name)) : tagged(0x87, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // A URL's host is the one form of many that an address can be written in.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""), "hex");
}
