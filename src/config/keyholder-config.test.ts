import { expect, test } from "vitest";
import { parseKeyholderConfig } from "./keyholder-config.ts";

const KEY = "A".repeat(43);
const faultsOf = (text: string): string => {
  try {
    parseKeyholderConfig(text, "/etc/kh/keyholder.yaml");
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as Error).message;
  }
  return "";
};

test("a short one is whole: paths count from the file", () => {
  expect(parseKeyholderConfig(`identities: [daily.key]\nsigningKey: ${KEY}\nsocket: { path: /run/kh.sock }\n`, "/etc/kh/keyholder.yaml")).toEqual({
    stateDir: "/etc/kh/keyholder-state",
    logLevel: "info",
    identities: ["/etc/kh/daily.key"],
    signingKey: KEY,
    socket: { path: "/run/kh.sock" },
    limits: { keysPerMinute: 12_000, attemptKeysPerMinute: 6_000 },
  });
});

test("all faults come at once, each with its line and field", () => {
  const faults = faultsOf(`identites: [a]\nsigningKey: short\nlimits: { keysPerMinute: 0 }\nsocket: { path: /${"x".repeat(90)} }\ntls: { address: nowhere }\n`).split("\n");
  const starts = ["1: identites: is not a known key; did you mean identities?", "2: signingKey: \"short\" is not a signing key", "3: limits.keysPerMinute: 0 is less", "4: socket.path:", "5: tls.address: \"nowhere\" is not an address", "5: tls.certificate: is missing"];
  for (const start of starts) expect(faults).toContainEqual(expect.stringContaining(`/etc/kh/keyholder.yaml:${start}`));
});

test("one that nobody could ask is refused", () => {
  expect(faultsOf(`identities: [a]\nsigningKey: ${KEY}\n`)).toContain("neither `socket` nor `tls` is there");
});

test("a file that is no YAML is refused by its line", () => {
  expect(faultsOf("identities: [a\nsigningKey: {")).toMatch(/keyholder\.yaml:\d+: /);
});
