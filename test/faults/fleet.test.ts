import { existsSync } from "node:fs";
import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import type { RunningProgram } from "../../src/demo/start-program.ts";
import { api } from "../../src/model/api/index.ts";
import type { Job } from "../../src/model/job.ts";
import { expectOnlyWholeBackups, processesBelow } from "../fixtures/invariants.ts";
import { type AgentHome, type Fleet, startFleet } from "../fixtures/fleet.ts";
import { until } from "../fixtures/log-collector.ts";

/** Several packs of bytes that no compression makes smaller. */
const BLOBS = 60;

let fleet: Fleet;
let server: RunningProgram;
let agent: RunningProgram;
let home: AgentHome;

beforeAll(async () => {
  fleet = await startFleet({ mariadbConfig: { max_allowed_packet: "64M", innodb_log_file_size: "128M" } });
  const connection = await fleet.world.connect();
  await connection.query("CREATE DATABASE shop");
  await connection.query("CREATE TABLE shop.blobs (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)");
  await connection.query(`INSERT INTO shop.blobs (body) SELECT CONCAT(${Array.from({ length: 500 }, () => "RANDOM_BYTES(1000)").join(",")}) FROM mysql.help_topic LIMIT ${String(BLOBS)}`);
  server = await fleet.startServer();
  home = await fleet.join("db1", (yaml) => `${yaml}hooks: { listed: { command: [/usr/bin/touch, ${hookMark()}] } }\n`);
  agent = await fleet.startAgent(home);
});

afterAll(async () => {
  await fleet.stop();
});

/** Where the hook that the agent's file lists leaves its mark. */
const hookMark = (): string => join(fleet.world.rootDir, "hook-ran");
const jobOf = async (jobId: string): Promise<Job> => (await fleet.client.call(api.jobs.show, { jobId })).job;
const begin = async (): Promise<Job> => (await fleet.client.call(api.backups.run, { instance: "shop", kind: "full" })).job;
const toolRuns = (): boolean => processesBelow(fleet.world.rootDir).some((line) => line.includes("mariadb-backup --defaults-file"));

/** Starts the agent anew with its uploads slowed down, so that a backup takes two minutes, and begins one: its upload has begun and is far from its end. */
async function beginSlowly(uploadBytesPerS = "256KiB"): Promise<Job> {
  await agent.stop();
  const fast = await readFile(home.configPath, "utf8");
  await writeFile(home.configPath, `${fast}uploadBytesPerS: ${uploadBytesPerS}\n`);
  agent = await fleet.startAgent(home);
  // Whoever takes its place is not slow.
  await writeFile(home.configPath, fast);
  const unfinished = join(fleet.world.repositoryPath, ".tmp");
  const before = await readdir(unfinished);
  const job = await begin();
  await until("an upload is under way", async () => {
    const names = (await readdir(unfinished)).filter((name) => !before.includes(name));
    const files = await Promise.all(names.map((name) => stat(join(unfinished, name)).catch(() => null)));
    // Pieces of log are small.
    return files.some((file) => file !== null && file.size > 256 * 1024);
  });
  return job;
}

/** However many attempts it took: one backup of this job, whole. */
async function expectOneOutcome(job: Job): Promise<Job> {
  const ended = await waitForJob(fleet.client, job, fleet.world.signal);
  const backups = await expectOnlyWholeBackups(fleet.world, fleet.client);
  expect(backups.filter(({ jobId }) => jobId === job.jobId).map(({ backupId }) => backupId)).toEqual([ended.attempts.at(-1)?.attemptId]);
  expect(ended.attempts.filter(({ state }) => state === "committed")).toHaveLength(1);
  return ended;
}

describe("a server and an agent as processes of their own", () => {
  it("work together through the agent's own connection, which the server does not know", async () => {
    expect((await stat(join(home.stateDir, "keys", "agent.json"))).mode & 0o777).toBe(0o600);
    const { job } = await fleet.client.call(api.instances.probe, { instance: "shop" });
    expect((await waitForJob(fleet.client, job, fleet.world.signal)).attempts[0]?.agent).toBe("db1");
    const backup = await fleet.holdfast.backUp("full");
    const { checks } = await fleet.holdfast.verify(backup.backupId);
    expect(checks.filter(({ status }) => status === "failed")).toEqual([]);
    const { targetPath } = await fleet.holdfast.restore({ kind: "backup", backupId: backup.backupId }, join(fleet.world.rootDir, "restores", "whole"));
    expect(await readdir(join(targetPath, "shop"))).toContain("blobs.ibd");
  });

  it("the agent's file decides where a restore goes and to whom a backup is encrypted, and what it refused is a finding by name", async () => {
    const { backupId } = (await fleet.holdfast.newestBackup()) ?? { backupId: "" };
    const outside = join(fleet.world.rootDir, "elsewhere");
    await expect(fleet.holdfast.restore({ kind: "backup", backupId }, outside)).rejects.toMatchObject({ code: "AGENT_REFUSED", message: expect.stringContaining(`${outside} does not lie below`) as string });
    const { findings } = await fleet.client.call(api.system.findings, { all: false });
    expect(findings.find(({ kind }) => kind === "restore-failed")?.message).toContain("Agent db1 refuses the order");
    expect(await readdir(fleet.world.rootDir)).not.toContain("elsewhere");
    const yaml = (await readFile(fleet.world.configPath, "utf8")).replace("repository: main", "repository: main\n    recipients: [age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]");
    await fleet.client.call(api.system.apply, { yaml, sourceName: fleet.world.configPath, dryRun: false });
    await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject({ code: "AGENT_REFUSED", message: expect.stringContaining("does not name the recipient age1lggyhqrw") as string });
    await fleet.client.call(api.system.apply, { yaml: await readFile(fleet.world.configPath, "utf8"), sourceName: fleet.world.configPath, dryRun: false });
  });
});

describe("a stolen server", () => {
  it("runs no hook that the agent's file does not list, and nothing else with it", async () => {
    const order = async (hooks: string): Promise<void> => {
      const yaml = (await readFile(fleet.world.configPath, "utf8")).replace("repository: main", `repository: main\n    hooks: ${hooks}`);
      await fleet.client.call(api.system.apply, { yaml, sourceName: fleet.world.configPath, dryRun: false });
    };
    const before = await expectOnlyWholeBackups(fleet.world, fleet.client);
    for (const hooks of ["{ beforeBackup: [listed, planted] }", "{ beforeBackup: [listed], afterBackup: [planted] }", "{ afterBackup: [listed, planted] }"]) {
      await order(hooks);
      await expect(fleet.holdfast.backUp("full")).rejects.toMatchObject({ code: "AGENT_REFUSED", message: "Agent db1 refuses the order: its file lists no hook planted." });
      const { findings } = await fleet.client.call(api.system.findings, { all: false });
      expect(findings.find(({ kind }) => kind === "backup-failed")?.message).toContain("Agent db1 refuses the order: its file lists no hook planted.");
    }
    expect(existsSync(hookMark())).toBe(false);
    expect(await expectOnlyWholeBackups(fleet.world, fleet.client)).toEqual(before);
    // What it lists, it runs.
    await order("{ afterBackup: [listed] }");
    await fleet.holdfast.backUp("full");
    expect(existsSync(hookMark())).toBe(true);
    await fleet.client.call(api.system.apply, { yaml: await readFile(fleet.world.configPath, "utf8"), sourceName: fleet.world.configPath, dryRun: false });
  });
});

describe("on a bad day", () => {
  it("a server that dies in the middle of a backup and stays away does not end it", async () => {
    // The same agent has to end it.
    const job = await beginSlowly("1MiB");
    await server.kill9();
    const asked = async (): Promise<boolean> => (await fleet.logOf(home)).some(({ route, failures }) => route === "agent.grantPut" && Number(failures) >= 6);
    await until("the agent has asked in vain for a grant again and again", asked);
    server = await fleet.startServer();
    const ended = await expectOneOutcome(job);
    expect(ended.attempts).toHaveLength(1);
  });

  it("an agent that dies in the middle of a backup leaves it to its next process", async () => {
    const job = await beginSlowly();
    await agent.kill9();
    await until("the tool died with it", () => !toolRuns());
    agent = await fleet.startAgent(home);
    const ended = await expectOneOutcome(job);
    expect(ended.attempts.map(({ state }) => state)).toEqual(["lost", "committed"]);
  });

  it("a token that two join with at once lets one in", async () => {
    const { text, fingerprint } = await fleet.invite();
    await writeFile(join(fleet.world.rootDir, "twice.join"), text, { mode: 0o600 });
    const joining = ["twin1", "twin2"].map(async (name) => {
      const configPath = join(fleet.world.rootDir, `${name}.yaml`);
      await writeFile(configPath, (await readFile(home.configPath, "utf8")).replace(home.stateDir, join(fleet.world.rootDir, name)));
      return fleet.run("agent", "join", "--config", configPath, "--server", fleet.url, "--server-fingerprint", fingerprint, "--token-file", join(fleet.world.rootDir, "twice.join"), "--name", name);
    });
    const ended = await Promise.all(joining);
    expect(ended.map(({ code }) => code).toSorted()).toEqual([0, 17]);
    expect(ended.find(({ code }) => code === 17)?.stderr).toContain("it opens once");
    const { agents } = await fleet.client.call(api.agents.list, {});
    expect(agents.filter(({ name }) => name.startsWith("twin"))).toHaveLength(1);
  });

  it("of two processes with one identity the later one works, the earlier one ends and is named", async () => {
    const job = await beginSlowly();
    const copied: AgentHome = { name: "db1", stateDir: join(fleet.world.rootDir, "copied"), configPath: join(fleet.world.rootDir, "copied.yaml") };
    await cp(join(home.stateDir, "keys"), join(copied.stateDir, "keys"), { recursive: true });
    await writeFile(copied.configPath, (await readFile(home.configPath, "utf8")).replace(home.stateDir, copied.stateDir));
    const second = await fleet.startAgent(copied);
    expect(await agent.ended).toBe(18);
    expect(agent.said("stderr")).toContain("[AGENT_REPLACED]");
    const { findings } = await fleet.client.call(api.system.findings, { all: false });
    expect(findings.find(({ kind }) => kind === "agent-replaced")?.message).toContain("Two processes work with the identity of the agent db1");
    const ended = await expectOneOutcome(job);
    expect(ended.attempts.map(({ state }) => state)).toEqual(["lost", "committed"]);
    await second.stop();
    agent = await fleet.startAgent(home);
  });

  it("a rotated token goes on where the old one ended", async () => {
    const old = JSON.parse(await readFile(join(home.stateDir, "keys", "agent.json"), "utf8")) as { token: string };
    expect((await fleet.run("agent", "rotate", "--config", home.configPath)).code).toBe(0);
    await writeFile(join(fleet.world.rootDir, "old.token"), old.token, { mode: 0o600 });
    const { fingerprint } = await fleet.invite();
    const refused = await fleet.run("agent", "list", "--server", fleet.url, "--server-fingerprint", fingerprint, "--token-file", join(fleet.world.rootDir, "old.token"));
    expect([refused.code, refused.stderr]).toEqual([17, expect.stringContaining("[UNAUTHENTICATED]")]);
    await fleet.holdfast.backUp("full");
  });

  it("an agent that is revoked in the middle of a job stops at once, and another one does the job", async () => {
    const job = await beginSlowly();
    const { endedAttempts } = await fleet.client.call(api.agents.revoke, { agent: "db1" });
    expect(endedAttempts).toContain((await jobOf(job.jobId)).attempts[0]?.attemptId);
    expect(await agent.ended).toBe(17);
    expect(agent.said("stderr")).toContain("was revoked at");
    await until("its tool is gone", () => !toolRuns());
    home = await fleet.join("db2");
    agent = await fleet.startAgent(home);
    const ended = await expectOneOutcome(job);
    expect(ended.attempts.map(({ agent: name, state }) => `${name} ${state}`)).toEqual(["db1 lost", "db2 committed"]);
  });

  it("an agent that is out of reach for longer than its lease stops by itself, and the work is done once", async () => {
    await server.stop();
    server = await fleet.startServer("8s");
    // The same agent does it again.
    const job = await beginSlowly("1MiB");
    await server.kill9();
    const fenced = async (): Promise<boolean> => (await fleet.logOf(home)).some(({ msg }) => String(msg).includes("stops by itself"));
    await until("the agent stops by itself", fenced);
    await until("its tool is gone", () => !toolRuns());
    server = await fleet.startServer("8s");
    await until("its attempt is given up", async () => (await jobOf(job.jobId)).attempts[0]?.state === "lost");
    // So short a lease is no promise where the machine is busy.
    await server.stop();
    server = await fleet.startServer();
    await expectOneOutcome(job);
  });
});
