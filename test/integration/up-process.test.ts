import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningProgram, startProgram } from "../../src/demo/start-program.ts";
import { userEnv } from "../fixtures/holdfast-program.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

let dir: TempDir;
const running: RunningProgram[] = [];
beforeEach(async () => {
  dir = await tempDir();
  const recipients = ["daily.key", "escrow.key"].map((name) => (holdfast("key", "generate", name, "--json").json as { recipient: string }).recipient);
  await writeFile(join(dir.path, "holdfast.yaml"), configuration(recipients));
});
afterEach(async () => {
  for (const up of running.splice(0)) await up.kill9();
  await dir.remove();
});

function configuration(recipients: readonly string[]): string {
  return `stateDir: state
keys: { recipients: [${recipients.join(", ")}], identities: [daily.key] }
repositories: { main: { kind: local, options: { path: repo } } }
policies: { daily: { full: { cron: "0 2 1 1 *" }, repository: main, logs: { enabled: false } } }
instances: { shop: { engine: mysql, policy: daily, connection: { socket: ${dir.path}/none.sock, user: root } } }
`;
}

function holdfast(...args: string[]): { code: number | null; stdout: string; stderr: string; json: unknown } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { cwd: dir.path, encoding: "utf8", env: userEnv(), timeout: 240_000 });
  return { code: status, stdout, stderr, json: args.includes("--json") && stdout !== "" ? (JSON.parse(stdout) as unknown) : null };
}

async function startUp(): Promise<RunningProgram> {
  const up = startProgram("holdfast up", { file: process.execPath, args: [MAIN, "up"], cwd: dir.path, env: userEnv() });
  running.push(up);
  await up.until("holdfast is up");
  return up;
}

describe("holdfast up as a process", () => {
  test("serves commands on its socket, refuses a second one, and ends well on SIGTERM", async () => {
    const up = await startUp();
    expect(await readdir(join(dir.path, "state"))).toContain("holdfast.sock");
    expect(holdfast("status", "--json").json).toMatchObject({ instances: [{ name: "shop" }], repositories: [{ name: "main" }] });
    expect(holdfast("up")).toMatchObject({ code: 5 });
    expect(await up.stop()).toBe(0);
    expect(await readdir(join(dir.path, "state"))).not.toContain("holdfast.sock");
    const log = await readFile(join(dir.path, "state", "holdfast.log"), "utf8");
    expect(log.split("\n").filter((line) => line.includes('"level":50') && !line.includes("ALREADY_RUNNING"))).toEqual([]);
  });

  test("starts again after kill -9, replaces its socket, and removes what its attempts left", async () => {
    const first = await startUp();
    await first.kill9();
    await mkdir(join(dir.path, "state", "scratch", "0000000000", "w"), { recursive: true });
    await startUp();
    expect(holdfast("job", "list")).toMatchObject({ code: 0 });
    await expect.poll(() => readdir(join(dir.path, "state", "scratch"))).not.toContain("0000000000");
  });

  test("takes over a configuration that is applied while it runs, and a dry run changes nothing", async () => {
    await startUp();
    const path = join(dir.path, "holdfast.yaml");
    await writeFile(path, (await readFile(path, "utf8")).replace("instances: { shop:", "instances: { store:"));
    expect(holdfast("apply", "--dry-run", "--json").json).toMatchObject({ changes: expect.arrayContaining([{ noun: "instance", name: "store", change: "added", detail: expect.any(String) as string }]) as unknown });
    expect(holdfast("status", "--json").json).toMatchObject({ instances: [{ name: "shop" }] });
    expect(holdfast("apply", "--json").code).toBe(0);
    expect(JSON.stringify(holdfast("instance", "list", "--json").json)).toContain("store");
  });
});

describe("a command without holdfast up", () => {
  test("does its work in its own process and ends with the error's own code", async () => {
    const backup = holdfast("backup", "run", "shop", "--json");
    expect(backup.code).toBe(10);
    expect(backup.json).toMatchObject({ error: { code: "DATABASE_UNREACHABLE" } });
    expect(await readdir(join(dir.path, "state", "scratch"))).toEqual([]);
  });

  test("a dry run of apply compares with the catalog as it was", () => {
    expect(holdfast("apply", "--dry-run", "--json").json).toMatchObject({ changes: expect.arrayContaining([expect.objectContaining({ name: "shop", change: "added" })]) as unknown });
    expect(holdfast("apply", "--json").code).toBe(0);
    expect(JSON.stringify(holdfast("apply", "--dry-run", "--json").json)).not.toContain('"added"');
  });

  test("shows every fault of its configuration at once and exits with 2", async () => {
    await writeFile(join(dir.path, "holdfast.yaml"), "stateDri: x\nkeys: { recipients: [age1x] }\n");
    const { code, stderr } = holdfast("status");
    expect(code).toBe(2);
    expect(stderr).toContain(":1: stateDri: is not a known key; did you mean stateDir?");
    expect(stderr).toContain(":2: keys.recipients.0:");
    expect(await readdir(dir.path)).not.toContain("state");
  });

  test("rebuilds an empty catalog and keeps the old one", async () => {
    holdfast("status");
    expect(holdfast("catalog", "rebuild", "--json").json).toMatchObject({ backups: 0, refused: [] });
    expect((await readdir(join(dir.path, "state", "data"))).some((name) => name.startsWith("catalog.sqlite.before-"))).toBe(true);
  });
});
