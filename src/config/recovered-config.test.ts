import { expect, test } from "vitest";
import { parse } from "yaml";
import { recoveredConfig } from "./recovered-config.ts";

const places = { stateDir: "/new/state", identityPath: "/safe/escrow.key", repository: { name: "main", kind: "local", options: { path: "/mnt" } }, keptAt: "2026-01-01T00:00:00.000Z", at: "2026-02-01T00:00:00.000Z" };

test("a recovered configuration names the identity at hand, and the keyholder of old only in its comment", () => {
  const text = recoveredConfig({ keys: { recipients: ["age1x"], identities: [] }, keyholder: { socket: "/run/kh.sock" } }, places);
  expect(parse(text)).toMatchObject({ keys: { recipients: ["age1x"], identities: ["/safe/escrow.key"] } });
  expect(parse(text)).not.toHaveProperty("keyholder");
  expect(text).toContain("# The old server asked a keyholder (socket: /run/kh.sock)");
});
