import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { certificateFingerprint, makeCertificate, plainFingerprint } from "./self-made-certificate.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const DAY_MS = 24 * 3_600_000;

describe("a self-made certificate", () => {
  const pem = makeCertificate({ names: ["backup.example.com", "localhost", "127.0.0.1", "::1", "2001:db8::7:0"], nowMs: NOW, validMs: 3_650 * DAY_MS });
  const certificate = new X509Certificate(pem);

  test("is for its names and addresses and no other", () => {
    expect(certificate.subject).toBe("CN=backup.example.com");
    expect(certificate.subjectAltName).toBe("DNS:backup.example.com, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:7:0");
    expect([certificate.checkHost("localhost"), certificate.checkHost("example.com")]).toEqual(["localhost", undefined]);
  });

  test("is signed by the key that comes with it, and may sign no other", () => {
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(pem))).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  });

  test("is valid from a day before to the end that was asked for, also beyond 2050", () => {
    expect([Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]).toEqual([NOW - DAY_MS, NOW + 3_650 * DAY_MS]);
    const later = new X509Certificate(makeCertificate({ names: ["x"], nowMs: Date.parse("2049-06-01T00:00:00Z"), validMs: 365 * DAY_MS }));
    expect(Date.parse(later.validTo)).toBe(Date.parse("2050-06-01T00:00:00Z"));
  });

  test("is known by its fingerprint, however that is written", () => {
    expect(certificateFingerprint(pem)).toMatch(/^[0-9a-f]{64}$/);
    expect(plainFingerprint(certificate.fingerprint256)).toBe(certificateFingerprint(pem));
    expect(makeCertificate({ names: ["x"], nowMs: NOW, validMs: DAY_MS })).not.toBe(makeCertificate({ names: ["x"], nowMs: NOW, validMs: DAY_MS }));
  });
});
