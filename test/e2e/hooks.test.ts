import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { api } from "../../src/model/api/index.ts";
import type { Job } from "../../src/model/job.ts";
import { expectOnlyWholeBackups, processesBelow } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let yaml: string;

const place = (name: string): string => join(world.rootDir, name);

/** Writes what it was told, and how many backup tools run on this world; does as a file beside it says. */
const HOOK = `#!/bin/sh
dir="$1"
tools=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o "[m]ariadb-backup --defaults-file=$dir" | wc -l)
echo "$HOLDFAST_WHEN $HOLDFAST_HOOK $HOLDFAST_INSTANCE $HOLDFAST_BACKUP_KIND status=$HOLDFAST_STATUS error=$HOLDFAST_ERROR job=$HOLDFAST_JOB_ID attempt=$HOLDFAST_ATTEMPT_ID tools=$tools" >> "$dir/seen"
if [ -e "$dir/hang-$HOLDFAST_HOOK" ]; then sleep 600; fi
if [ -e "$dir/fail-$HOLDFAST_HOOK" ]; then echo "the application does not answer" >&2; exit 3; fi
`;

beforeAll(async () => {
  world = await startWorld({ settings: { maxAttempts: 1, heartbeatEveryMs: 500 } });
  await writeFile(place("hook.sh"), HOOK, { mode: 0o755 });
  const hooks = ["pause", "resume", "tell"].map((name) => `  ${name}: { command: [${place("hook.sh")}, ${world.rootDir}] }`).join("\n");
  yaml = `${world.yaml.replace("repository: main", "repository: main\n    hooks: { beforeBackup: [pause], afterBackup: [resume, tell] }")}hooks:\n${hooks}\n`;
  await restart();
});

afterAll(async () => {
  await world.stop();
});

beforeEach(async () => {
  for (const name of ["seen", "hang-pause", "fail-pause", "fail-resume"]) await rm(place(name), { force: true });
});

async function restart(): Promise<void> {
  await world.stopUp();
  await writeFile(world.configPath, yaml);
  await world.startUp(yaml);
}

const seen = async (): Promise<string[]> => (existsSync(place("seen")) ? (await readFile(place("seen"), "utf8")).trimEnd().split("\n") : []);
const short = async (): Promise<string[]> => (await seen()).map((line) => line.replace(/ job=.*/, ""));
const begin = async (): Promise<Job> => (await world.client.call(api.backups.run, { instance: "shop", kind: "full" })).job;
const cancel = (job: Job): Promise<unknown> => world.client.call(api.jobs.cancel, { jobId: job.jobId });
const hookFindings = async (): Promise<string[]> => (await world.client.call(api.system.findings, { all: false })).findings.filter(({ kind }) => kind === "hook-failed").map(({ message }) => message);
const toolRuns = (): boolean => processesBelow(world.rootDir).some((line) => line.includes("mariadb-backup --defaults-file"));

describe("the hooks of a policy", () => {
  it("run before the tool starts and after everything is stored, each once, told what they are about, and are phases of the job", async () => {
    const { backupId, jobId } = await world.holdfast.backUp("full");
    const facts = `job=${jobId} attempt=${backupId} tools=0`;
    expect(await seen()).toEqual([`before pause shop full status= error= ${facts}`, `after resume shop full status=ok error= ${facts}`, `after tell shop full status=ok error= ${facts}`]);
    const { job } = await world.client.call(api.jobs.show, { jobId });
    expect((job.result as { phases: { name: string }[] }).phases.map(({ name }) => name)).toEqual(["before hooks", "start", "stream", "record", "store", "after hooks"]);
  });

  it("that fail afterwards leave the backup, and a finding that the next good one closes", async () => {
    await writeFile(place("fail-resume"), "");
    const { backupId } = await world.holdfast.backUp("full");
    expect((await expectOnlyWholeBackups(world, world.client)).map((backup) => backup.backupId)).toContain(backupId);
    expect(await short()).toEqual(["before pause shop full status= error=", "after resume shop full status=ok error=", "after tell shop full status=ok error="]);
    expect(await hookFindings()).toEqual([`After attempt ${backupId} to back up shop: Hook resume after the backup ended with exit code 3: the application does not answer.`]);
    await rm(place("fail-resume"));
    await world.holdfast.backUp("full");
    expect(await hookFindings()).toEqual([]);
  });

  it("that fail before let nothing be backed up, and those after it run", async () => {
    const before = await expectOnlyWholeBackups(world, world.client);
    await writeFile(place("fail-pause"), "");
    await expect(world.holdfast.backUp("full")).rejects.toMatchObject({ code: "HOOK_FAILED", message: "Hook pause before the backup ended with exit code 3: the application does not answer.", details: { exitCode: 3 } });
    expect(await short()).toEqual(["before pause shop full status= error=", "after resume shop full status=failed error=HOOK_FAILED", "after tell shop full status=failed error=HOOK_FAILED"]);
    expect(await expectOnlyWholeBackups(world, world.client)).toEqual(before);
  });

  it("run after a cancel too, when the tool has ended", async () => {
    const connection = await world.connect();
    await connection.query("FLUSH TABLES WITH READ LOCK");
    const job = await begin();
    await until("the tool waits for the lock", toolRuns);
    await cancel(job);
    await expect(waitForJob(world.client, job, world.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    await connection.query("UNLOCK TABLES");
    const lines = (await seen()).map((line) => line.replace(/ job=.*(?= tools)/, ""));
    expect(lines).toEqual(["before pause shop full status= error= tools=0", "after resume shop full status=failed error=CANCELLED tools=0", "after tell shop full status=failed error=CANCELLED tools=0"]);
  });

  it("end with a shutdown when they hang before the tool, and those after run before the process is gone", async () => {
    await writeFile(place("hang-pause"), "");
    await begin();
    await until("the hook hangs", async () => (await seen()).length === 1);
    await world.stopUp();
    expect(await short()).toEqual(["before pause shop full status= error=", "after resume shop full status=failed error=AGENT_STOPPED", "after tell shop full status=failed error=AGENT_STOPPED"]);
    await rm(place("hang-pause"));
    await world.startUp(yaml);
    await until("the job was taken up again", async () => (await short()).includes("after tell shop full status=ok error="));
  });

  it("get their commands from the file that the process was started with, and from nobody who may change the configuration", async () => {
    const apply = (text: string): Promise<unknown> => world.client.call(api.system.apply, { yaml: text, sourceName: world.configPath, dryRun: false });
    const refused = { code: "REFUSED", message: expect.stringContaining("are read only at the start, from the file of its own machine; nothing was changed.") as unknown };
    await expect(apply(yaml.replace(`command: [${place("hook.sh")}`, `command: [/bin/touch, ${place("stolen")}`))).rejects.toMatchObject(refused);
    await expect(apply(`${yaml}  more: { command: [/bin/touch, ${place("stolen")}] }\n`)).rejects.toMatchObject(refused);
    await apply(yaml.replace("afterBackup: [resume, tell]", "afterBackup: [tell]"));
    await world.holdfast.backUp("full");
    expect((await short()).map((line) => line.split(" ")[1])).toEqual(["pause", "tell"]);
    expect(existsSync(place("stolen"))).toBe(false);
  });
});
