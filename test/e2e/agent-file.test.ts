import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import type { RunningProgram } from "../../src/demo/start-program.ts";
import { api } from "../../src/model/api/index.ts";
import { type AgentHome, type Fleet, startFleet } from "../fixtures/fleet.ts";
import { until } from "../fixtures/log-collector.ts";

let fleet: Fleet;
let home: AgentHome;
let agent: RunningProgram;
let recipients: string[];

const place = (name: string): string => join(fleet.world.rootDir, name);

async function printed(...args: string[]): Promise<string> {
  const ran = await fleet.run(...args);
  expect(ran.code, ran.stderr).toBe(0);
  return ran.stdout;
}

/** Signs a list with a key, and makes a configuration that names it the server's. */
async function applyList({ key = "organisation.key", serial, list = recipients }: { key?: string; serial: number; list?: string[] }): Promise<void> {
  await writeFile(place("recipients.signed.json"), await printed("key", "sign-recipients", ...list, "--key", place(key), "--serial", String(serial)));
  const yaml = (await readFile(fleet.world.configPath, "utf8")).replace(/recipients: \[.*\]/, `recipients: [${list.join(", ")}]\n  recipientsSigned: recipients.signed.json`);
  await fleet.client.call(api.system.apply, { yaml, sourceName: fleet.world.configPath, dryRun: false });
}

const refused = (says: string): object => ({ code: "AGENT_REFUSED", message: expect.stringContaining(says) as string });

beforeAll(async () => {
  fleet = await startFleet();
  recipients = (/recipients: \[(.*)\]/.exec(fleet.world.yaml)?.[1] ?? "").split(", ");
  await fleet.startServer();
  const publicKey = (await printed("key", "organisation", place("organisation.key"))).trim();
  await printed("key", "organisation", place("thief.key"));
  home = await fleet.join("db1", (yaml) => yaml.replace(/^recipients: .*$/m, `organisationKey: ${publicKey}`));
});

afterAll(async () => {
  await fleet.stop();
});

it("work that waits for a pool in which no agent works is a finding by name, until one begins", async () => {
  const unserved = async (): Promise<string[]> => (await fleet.client.call(api.system.findings, { all: false })).findings.flatMap(({ kind, message }) => (kind === "pool-unserved" && message.includes("berlin") ? [message] : []));
  const { job } = await fleet.client.call(api.instances.probe, { instance: "shop" });
  await fleet.client.call(api.agents.drain, { agent: "db1", drained: true });
  // Before it joined there was a finding with other words.
  await until("the pool without an agent is a finding", async () => (await unserved()).join().endsWith("for an agent of pool berlin, and none of its agents works: db1 (drained)."));
  await fleet.client.call(api.agents.drain, { agent: "db1", drained: false });
  agent = await fleet.startAgent(home);
  await waitForJob(fleet.client, job, fleet.world.signal);
  await until("the finding is closed", async () => (await unserved()).length === 0);
});

it("an agent that pins the organisation's key seals to whom it has signed, and to nobody by an older list, another key or none", async () => {
  await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject(refused("carries no list of recipients"));
  await applyList({ serial: 5 });
  const { backupId } = await fleet.holdfast.backUp("full");
  expect((await fleet.client.call(api.backups.show, { backupId })).manifest.recipients).toEqual(recipients);
  // Whoever has the server can write any configuration, and has kept every list.
  await applyList({ key: "thief.key", serial: 9, list: recipients.slice(1) });
  await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject(refused("is not signed by the organisation's key"));
  await applyList({ serial: 6, list: recipients.toReversed() });
  await fleet.holdfast.backUp("full");
  await agent.stop();
  agent = await fleet.startAgent(home);
  await applyList({ serial: 5 });
  await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject(refused("has the serial 5, and one with 6 was seen here before"));
  const { findings } = await fleet.client.call(api.system.findings, { all: false });
  expect(findings.find(({ kind }) => kind === "backup-failed")?.message).toContain("Agent db1 refuses the order");
});

it("an agent whose file gives no connection restores and verifies, and reaches no server", async () => {
  await agent.stop();
  const yaml = await readFile(home.configPath, "utf8");
  await writeFile(home.configPath, yaml.replace(/^ +connection: .*\n/m, ""));
  await applyList({ serial: 7 });
  agent = await fleet.startAgent(home);
  const { backupId } = (await fleet.holdfast.newestBackup())!;
  const { targetPath } = await fleet.holdfast.restore({ kind: "backup", backupId }, place("restores/whole"));
  expect(await readdir(targetPath)).toContain("ibdata1");
  await waitForJob(fleet.client, (await fleet.client.call(api.backups.verify, { backupId, tier: "T3" })).job, fleet.world.signal);
  expect((await fleet.client.call(api.backups.show, { backupId })).reports.map(({ status }) => status)).toEqual(["passed"]);
  await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject(refused("gives no connection to shop"));
});
