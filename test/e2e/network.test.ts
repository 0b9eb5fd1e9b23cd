import { chmod, mkdir, readFile, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../src/demo/free-port.ts";
import { type UserPlace, userPlace } from "../fixtures/user-place.ts";

let place: UserPlace;
let url: string;
let fingerprint: string;
/** Of another machine: it has no configuration there. */
const far = ["--config", "/nowhere/holdfast.yaml"];

async function tokenOf(role: string, name = role): Promise<string> {
  const { token, text } = (await place.json("token", "create", name, "--role", role)) as { token: { tokenId: string }; text: string };
  await place.write(`${name}.token`, `${text}\n`);
  return token.tokenId;
}

const serverAs = (name: string): string[] => [...far, "--server", url, "--server-fingerprint", fingerprint, "--token-file", place.file(`${name}.token`)];

beforeAll(async () => {
  place = await userPlace({ connection: "{ socket: /nowhere.sock, user: nobody }" });
  const port = await freePort();
  url = `https://127.0.0.1:${String(port)}`;
  await place.configure((yaml) => `${yaml.replace(/instances:[\s\S]*/, "")}listen: { address: "127.0.0.1:${String(port)}" }\n`);
  await tokenOf("viewer");
  await tokenOf("admin");
  await place.startUp();
  const log = await readFile(place.file("state/holdfast.log"), "utf8");
  fingerprint = /"certificateFingerprint":"([0-9a-f]{64})"/.exec(log)?.[1] ?? "";
});

afterAll(async () => {
  await place.remove();
});

describe("a server's API over the network", () => {
  it("does for another machine's command line what the socket does, as far as its token goes", async () => {
    expect(await place.json("status", ...serverAs("viewer"))).toMatchObject({ instances: [], findings: [] });
    const { tokens } = (await place.json("token", "list", ...serverAs("admin"))) as { tokens: { name: string; createdBy: string }[] };
    expect(tokens.map(({ name }) => name)).toEqual(["admin", "viewer"]);
    await place.refuse({ args: ["token", "list", ...serverAs("viewer")], exit: 17, code: "FORBIDDEN", says: "needs the role auditor; viewer has the role viewer", advises: "token of the role" });
  });

  it("takes a configuration from far away as if it lay beside its own", async () => {
    await mkdir(place.file("elsewhere"));
    const yaml = await readFile(place.file("holdfast.yaml"), "utf8");
    await place.write("elsewhere/other.yaml", yaml.replace("policies:\n", "policies:\n  weekly: { repository: main, full: { cron: \"0 2 * * 0\" } }\n"));
    const { changes } = (await place.json("apply", place.file("elsewhere/other.yaml"), "--dry-run", ...serverAs("admin"))) as { changes: { name: string; change: string }[] };
    expect(changes.filter(({ change }) => change !== "unchanged").map(({ name }) => name)).toEqual(["weekly"]);
    await rm(place.file("elsewhere"), { recursive: true });
  });

  it("sends nothing to a server with another certificate", async () => {
    const args = ["status", ...far, "--server", url, "--token-file", place.file("viewer.token")];
    await place.refuse({ args, exit: 17, code: "SERVER_UNTRUSTED", says: "self-signed certificate", advises: "--server-fingerprint" });
    await place.refuse({ args: [...args, "--server-fingerprint", "ab".repeat(32)], exit: 17, code: "SERVER_UNTRUSTED", says: `has the fingerprint ${fingerprint}`, advises: "printed at its start" });
  });

  it("is found by a profile", async () => {
    const env = { XDG_CONFIG_HOME: place.file("xdg"), HOLDFAST_PROFILE: "prod" };
    await mkdir(place.file("xdg/holdfast"), { recursive: true });
    await place.write("xdg/holdfast/profiles.yaml", `profiles:\n  prod: { server: "${url}", tokenFile: "${place.file("viewer.token")}", fingerprint: ${fingerprint} }\n`);
    const ran = await place.run(["instance", "list", "--json", ...far], { env });
    expect([ran.code, JSON.parse(ran.stdout)]).toEqual([0, { instances: [] }]);
    await place.refuse({ args: ["status", "--profile", "prd"], env, exit: 2, code: "USAGE", says: 'no profile "prd"', advises: "Did you mean prod" });
    await place.refuse({ args: ["up"], env, exit: 2, code: "USAGE", says: "on this machine only", advises: /./ });
  });

  it("is refused with a token that others may read, that is none, or that was revoked a moment ago", async () => {
    const tokenId = await tokenOf("operator", "ann");
    await place.json("status", ...serverAs("ann"));
    await chmod(place.file("ann.token"), 0o640);
    await place.refuse({ args: ["status", ...serverAs("ann")], exit: 2, code: "CONFIG_INVALID", says: "Others than its owner", advises: "chmod 600" });
    await chmod(place.file("ann.token"), 0o600);
    await place.json("token", "revoke", tokenId);
    await place.refuse({ args: ["status", ...serverAs("ann")], exit: 17, code: "UNAUTHENTICATED", says: "was revoked at", advises: "token list" });
    await place.write("none.token", "letmein\n");
    await place.refuse({ args: ["status", ...serverAs("none")], exit: 2, code: "CONFIG_INVALID", says: "holds no token", advises: "token create" });
    await place.refuse({ args: ["status", "--server", url], exit: 2, code: "USAGE", says: "wants a token", advises: /./ });
  });
});
