import { describe, expect, test } from "vitest";
import { gatewayJsonSchema, parseGatewayConfig } from "./gateway-config.ts";
import { isHoldfastError } from "../lib/errors.ts";

const FINGERPRINT = "ab".repeat(32);
const GOOD = `signingKeyFingerprint: ${FINGERPRINT}
repositories:
  main: { kind: local, options: { path: backups } }
`;

function faultsOf(text: string, env: Record<string, string> = {}): unknown {
  try {
    parseGatewayConfig(text, "/etc/gateway.yaml", env);
    return [];
  } catch (error) {
    if (!isHoldfastError(error, "CONFIG_INVALID")) throw error;
    return error.details["faults"];
  }
}

describe("the configuration of a gateway", () => {
  test("has its defaults, and paths that count from its folder", () => {
    const text = `${GOOD}tls: { certificateFile: tls/gateway.pem, keyFile: tls/gateway.key }\nquota: { bytesPerDay: 2TiB }\n`;
    expect(parseGatewayConfig(text, "/etc/holdfast/gateway.yaml", {})).toEqual({
      listen: { host: "127.0.0.1", port: 7443 },
      tls: { certificateFile: "/etc/holdfast/tls/gateway.pem", keyFile: "/etc/holdfast/tls/gateway.key" },
      dangerouslyWithoutTls: false,
      stateDir: "/etc/holdfast/holdfast-gateway-state",
      logLevel: "info",
      signingKeyFingerprint: FINGERPRINT,
      repositories: { main: { kind: "local", options: { path: "/etc/holdfast/backups" } } },
      quota: { bytesPerDay: 2 * 1024 ** 4, alarmPercent: 80 },
      limits: { objectBytes: 4 * 1024 ** 3, idle: 60_000 },
    });
  });

  test("gives way to the environment", () => {
    expect(parseGatewayConfig(GOOD, "/etc/gateway.yaml", { HOLDFAST_STATE_DIR: "/var/lib/gw", HOLDFAST_LOG_LEVEL: "debug" })).toMatchObject({ stateDir: "/var/lib/gw", logLevel: "debug" });
  });

  test("shows all of its faults at once, with line and field", () => {
    const text = "listen: { host: 0.0.0.0, prot: 1 }\nsigningKeyFingerprint: abc\nrepositories:\n  main: { kind: locl, options: {} }\nquota: { bytesPerDay: much, alarmPercent: 101 }\npolicies: {}\n";
    expect(faultsOf(text)).toEqual([
      "/etc/gateway.yaml:1: listen.prot: is not a known key; did you mean port?",
      expect.stringMatching(/^\/etc\/gateway\.yaml:1: listen\.host: "0\.0\.0\.0" is more than this machine, and there is no `tls`/),
      '/etc/gateway.yaml:2: signingKeyFingerprint: "abc" is not a SHA-256 in hex',
      '/etc/gateway.yaml:4: repositories.main.kind: "locl" is not one of "local", "s3"',
      expect.stringContaining('/etc/gateway.yaml:5: quota.bytesPerDay: "much" is not a size'),
      "/etc/gateway.yaml:5: quota.alarmPercent: 101 is more than the largest that is allowed, 100",
      expect.stringContaining("/etc/gateway.yaml:6: policies: is not a known key; known here: listen, tls,"),
    ]);
  });

  test.each([
    ["no repository", GOOD.replace(/repositories:\n.*/, "repositories: {}"), [expect.stringContaining("must name at least one")]],
    ["no fingerprint", GOOD.replace(/signing.*\n/, ""), [expect.stringContaining("signingKeyFingerprint: is missing")]],
    ["TLS and none", `${GOOD}tls: { certificateFile: a, keyFile: b }\ndangerouslyWithoutTls: true\n`, [expect.stringContaining("dangerouslyWithoutTls: contradicts `tls`")]],
    ["half of TLS", `${GOOD}tls: { certificateFile: a }\n`, [expect.stringContaining("tls.keyFile: is missing")]],
    ["a name that may lead anywhere", `listen: { host: backup.example }\n${GOOD}`, [expect.stringContaining("listen.host")]],
    ["no patience", `${GOOD}limits: { idle: 1ms }\n`, [expect.stringContaining("must be at least 100ms")]],
  ])("%s is refused", (_what, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  test.each(["127.0.0.1", "127.8.9.10", "localhost", '"::1"'])("%s needs no TLS", (host) => {
    expect(faultsOf(`listen: { host: ${host} }\n${GOOD}`)).toEqual([]);
  });

  test("has a schema for editors", () => {
    expect(Object.keys((gatewayJsonSchema() as { properties: object }).properties)).toContain("signingKeyFingerprint");
  });
});
