import { describe, expect, it } from "vitest";
import { type CliOptions, runCli } from "../../test/fakes/cli.ts";
import { backup, checked, coverage, finding, found, id, instance, job, manifest, NOW, plan, probe, report, restored, succeeded, verified } from "../../test/fakes/cli-documents.ts";
import { commands } from "./index.ts";

const rebuilt = { backups: 9, segments: 30, verifications: 4, holds: 1 };
const exported = { signingKeyFingerprint: "ab".repeat(32), repositories: [], policies: [], instances: [], backups: [], chains: [], coverage: [], holds: [], reports: [] };

const token = { tokenId: id(70), name: "ann", role: "operator", createdAt: NOW, createdBy: "owner", expiresAt: null, revokedAt: null };

const agent = { agentId: id(71), name: "db1", pools: ["a", "b"], labels: { rack: "7" }, joinedAt: NOW, lastSeenAt: null, drainedAt: null, revokedAt: null };

/** One way that ends well through every command: what is typed, what the server says, and words that a person must see. */
const WELL: Readonly<Record<string, { argv: readonly string[]; options: CliOptions; shows: readonly (string | RegExp)[]; calls?: readonly unknown[] }>> = {
  up: { argv: ["up"], options: { local: { up: () => Promise.resolve() } }, shows: [] },
  gateway: { argv: ["gateway", "--config", "gateway.yaml"], options: { local: { gateway: ({ config }) => (config === "gateway.yaml" ? Promise.resolve() : Promise.reject(new Error(config))) } }, shows: [] },
  demo: {
    argv: ["demo", "--size-mb", "5"],
    options: { local: { demo: ({ sizeMb, keep }) => Promise.resolve({ rootDir: `/tmp/${String(sizeMb)}-${String(keep)}` }) } },
    shows: ["Nothing was left behind"],
  },
  status: {
    argv: ["status"],
    options: {
      answers: {
        "system.status": {
          now: NOW,
          version: "1.2.3",
          signingKeyFingerprint: "ab".repeat(32),
          frozen: { why: "recovered", at: NOW },
          instances: [instance()],
          repositories: [{ name: "main", kind: "local", place: "directory /backup", repositoryId: id(85), backupCount: 9, storedBytes: 7_000_000_000 }],
          running: [job()],
          findings: [finding],
        },
      },
    },
    shows: [/shop +daily +9 +2 h 00 min ago +1 h 30 min ago +2026-11-14 03:10 Europe.* +9 s ago +1/, "directory /backup", "FROZEN since the catalog was recovered", "run `holdfast thaw`", "copying · 1.00 GiB of about 3.00 GiB · 100 MiB/s · 20.0 s left", "did not pass its verification", "→ Take a new full backup"],
  },
  doctor: {
    argv: ["doctor"],
    options: {
      local: { doctor: () => Promise.resolve([{ subject: "configuration", status: "ok", message: "holdfast.yaml is good", remedy: null }]) },
      answers: {
        "instances.list": { instances: [instance()] },
        "instances.probe": { job: succeeded(probe) },
        "system.doctor": { diagnoses: [{ subject: "keys", status: "warning", message: "there is one recipient", remedy: "Add an escrow recipient." }] },
      },
    },
    shows: ["ok       configuration", "→ Add an escrow recipient.", "2 checks, 0 errors, 1 warning\n"],
  },
  apply: {
    argv: ["apply", "/etc/new.yaml", "--dry-run"],
    options: {
      local: { readFile: (path) => Promise.resolve(`# ${path}`) },
      answers: { "system.apply": { changes: [{ noun: "instance", name: "shop", change: "added", detail: "engine mysql" }] } },
    },
    shows: ["nothing was changed", /added +instance +shop +engine mysql/],
    calls: [{ route: "system.apply", input: { yaml: "# /etc/new.yaml", sourceName: "/etc/new.yaml", dryRun: true } }],
  },
  "instance list": { argv: ["instance", "list"], options: { answers: { "instances.list": { instances: [instance()] } } }, shows: [/shop +daily +9/] },
  "instance show": {
    argv: ["instance", "show", "shop"],
    options: { answers: { "instances.show": { instance: instance(), probe: null } } },
    shows: ["It was never probed; run `holdfast instance probe shop`."],
  },
  "instance probe": {
    argv: ["instance", "probe", "shop"],
    options: { answers: { "instances.probe": { job: job({ kind: "probe" }) }, "jobs.show": { job: succeeded(probe(), { kind: "probe" }) } } },
    shows: ["MariaDB 10.11.8, backup tool 10.11.8", "Nothing stops or weakens its backups."],
  },
  "backup run": {
    argv: ["backup", "run", "shop", "--kind", "full"],
    options: { answers: { "backups.run": { job: job() }, "jobs.show": [{ job: job() }, { job: succeeded(id(1)) }], "backups.list": { backups: [backup()] } } },
    shows: [`Backup ${id(1)} (full) is committed: 3.00 GiB read, 768 MiB stored.`, `holdfast backup verify ${id(1)}`],
    calls: [
      { route: "backups.run", input: { instance: "shop", kind: "full" } },
      { route: "jobs.show", input: { jobId: id(50) } },
      { route: "jobs.show", input: { jobId: id(50) } },
      { route: "backups.list", input: { instance: "shop", limit: 20 } },
    ],
  },
  "backup list": {
    argv: ["backup", "list", "shop", "--limit", "3"],
    options: { answers: { "backups.list": { backups: [backup({ verification: { verificationId: id(40), tier: "T4", status: "passed", at: NOW } })] } } },
    shows: [/shop +full +2026-11-21 02:10 .*T4 passed/],
    calls: [{ route: "backups.list", input: { instance: "shop", limit: 3 } }],
  },
  "backup show": {
    argv: ["backup", "show", id(1)],
    options: { answers: { "backups.show": { backup: backup({ holds: [{ holdId: id(30), reason: "audit", by: "ann", at: NOW }] }), manifest, chain: [backup()], reports: [report] } } },
    shows: ["LSN 0 to 9007199254740993", "log goes on at mariadb-bin.000017:4711, GTID 0-1-4711", "held by ann", `T4 passed, restored in 1 min 15 s (report ${id(40)})`],
  },
  "backup verify": {
    argv: ["backup", "verify", id(1), "--tier", "T4"],
    options: { answers: { "backups.verify": { job: job({ kind: "verify" }) }, "jobs.show": { job: succeeded(verified("passed"), { kind: "verify" }) } } },
    shows: ["T0 passed  stored bytes", "Verification passed at T4 after 2.0 s"],
    calls: [{ route: "backups.verify", input: { backupId: id(1), tier: "T4" } }, { route: "jobs.show", input: { jobId: id(50) } }],
  },
  "backup reseal": {
    argv: ["backup", "reseal", id(1)],
    options: {
      answers: {
        "backups.reseal": { job: job({ kind: "reseal" }), backupIds: [id(1)], log: { pieces: 3, storedBytes: 2048 } },
        "jobs.show": { job: succeeded({ backupId: id(2), phases: [] }, { kind: "reseal" }) },
      },
    },
    shows: [`${id(1)} is resealed as ${id(2)}`, "The log is not resealed: 3 pieces behind this backup (2.00 KiB)", `holdfast backup verify ${id(2)}`],
    calls: [{ route: "backups.reseal", input: { backupId: id(1) } }, { route: "jobs.show", input: { jobId: id(50) } }],
  },
  "backup hold": { argv: ["backup", "hold", id(1), "--reason", "audit"], options: { answers: { "backups.hold": { backup: backup() } } }, shows: ["is held"] },
  "backup release": { argv: ["backup", "release", id(1)], options: { answers: { "backups.release": { backup: backup() } } }, shows: ["no longer held"] },
  "restore plan": {
    argv: ["restore", "plan", "shop", "--to", "2026-11-21 15:00:00"],
    options: { answers: { "instances.show": { instance: instance(), probe: null }, "restores.plan": { plan: plan() } } },
    shows: ["stops at   mariadb-bin.000017:4711", "first out GTID 0-1-4712, 2026-11-21 15:00:00 Europe/Berlin: DROP TABLE `orders`", /fetch .* 1 min 01 s/, "not measured"],
    calls: [
      { route: "instances.show", input: { instance: "shop" } },
      { route: "restores.plan", input: { instance: "shop", goal: { kind: "time", at: NOW }, allowGap: false } },
      { route: "instances.show", input: { instance: "shop" } },
    ],
  },
  "restore run": {
    argv: ["restore", "run", "shop", "--latest", "--target-dir", "/srv/restored", "--start"],
    options: {
      answers: {
        "instances.show": { instance: instance(), probe: null },
        "restores.run": { job: job({ kind: "restore" }), plan: plan() },
        "jobs.show": { job: succeeded(restored, { kind: "restore" }) },
      },
    },
    shows: ["Restored to /srv/restored in 1 min 15 s", "The data are as of mariadb-bin.000017:4711, GTID 0-1-4711.", "mariadb --socket=/srv/restored/restored.sock"],
  },
  "job list": {
    argv: ["job", "list", "--kind", "backup", "--state", "running"],
    options: { answers: { "jobs.list": { jobs: [job()] } } },
    shows: [/backup +shop +full +running/],
    calls: [{ route: "jobs.list", input: { limit: 20, kind: "backup", state: "running" } }],
  },
  server: { argv: ["server"], options: { local: { server: () => Promise.resolve() } }, shows: [] },
  "agent run": { argv: ["agent"], options: { local: { agentRun: () => Promise.resolve() } }, shows: [] },
  "agent join": {
    argv: ["agent", "join", "--server", "https://s:1", "--token-file", "t", "--name", "db1"],
    options: { local: { agentJoin: ({ name, server }) => Promise.resolve({ agentId: id(71), name, pools: [server] }) } },
    shows: [`Joined as db1 (${id(71)}), serving https://s:1`],
  },
  "agent rotate": { argv: ["agent", "rotate"], options: { local: { agentRotate: () => Promise.resolve({ agentId: id(71), name: "db1" }) } }, shows: ["db1", "has a new token"] },
  "agent invite": {
    argv: ["agent", "invite", "--pools", "a,b", "--labels", "rack=7,site=x=y", "--expires-in", "1h"],
    options: { answers: { "agents.invite": { text: "hfj_text", expiresAt: NOW, serverFingerprint: "ab".repeat(32) } } },
    shows: ["hfj_text"],
    calls: [{ route: "agents.invite", input: { pools: ["a", "b"], labels: { rack: "7", site: "x=y" }, expiresInS: 3600 } }],
  },
  "agent list": { argv: ["agent", "list"], options: { answers: { "agents.list": { agents: [agent, { ...agent, name: "db2", drainedAt: NOW }, { ...agent, name: "db3", revokedAt: NOW }] } } }, shows: [/db1 +a,b +in force +never +rack=7/, /db2 +a,b +drained/, /db3 +a,b +revoked/] },
  "agent drain": { argv: ["agent", "drain", "db1", "--end"], options: { answers: { "agents.drain": { agent } } }, shows: ["gets work again"], calls: [{ route: "agents.drain", input: { agent: "db1", drained: false } }] },
  "agent revoke": { argv: ["agent", "revoke", "db1"], options: { answers: { "agents.revoke": { agent: { ...agent, revokedAt: NOW }, endedAttempts: [id(60)] } } }, shows: ["is revoked; 1 attempt of it ended"] },
  "token create": {
    argv: ["token", "create", "ann", "--role", "operator", "--expires-in", "90d"],
    options: { answers: { "tokens.create": { token, text: "hfa_text" } } },
    shows: ["hfa_text"],
    calls: [{ route: "tokens.create", input: { name: "ann", role: "operator", expiresInS: 7_776_000 } }],
  },
  "token list": {
    argv: ["token", "list"],
    options: { answers: { "tokens.list": { tokens: [token, { ...token, name: "bob", revokedAt: NOW }, { ...token, name: "eve", expiresAt: "2020-01-01T00:00:00.000Z" }] } } },
    shows: [/ann +operator +in force/, /bob +operator +revoked/, /eve +operator +expired/],
  },
  "token revoke": { argv: ["token", "revoke", id(70)], options: { answers: { "tokens.revoke": { token: { ...token, revokedAt: NOW } } } }, shows: ["is revoked"] },
  "job show": { argv: ["job", "show", id(50)], options: { answers: { "jobs.show": { job: job() } } }, shows: [`1. ${id(60)} by local: running`, "100 MiB/s"] },
  "job watch": { argv: ["job", "watch", id(50)], options: { answers: { "jobs.show": [{ job: job() }, { job: succeeded() }] } }, shows: ["succeeded"] },
  "job cancel": { argv: ["job", "cancel", id(50)], options: { answers: { "jobs.cancel": { job: job({ cancelRequested: true }) } } }, shows: ["running"] },
  "job retry": { argv: ["job", "retry", id(50)], options: { answers: { "jobs.retry": { job: job({ state: "due", attempts: [] }) } } }, shows: ["none yet"] },
  find: {
    argv: ["find", "shop", "--table", "shop.orders", "--drop", "--delete-over", "100", "--from", "2026-11-21 14:00"],
    options: { answers: { "instances.show": { instance: instance(), probe: null }, "finds.find": found } },
    shows: [
      "2026-11-21 15:02:59 Europe/Berlin  dropped",
      "GTID 0-1-4711, mariadb-bin.000017:8123, thread 42, ran 2 s",
      "rows         1000 deleted, 1 updated, 0 inserted",
      "DELETE FROM orders\\x1b[31m",
      "holdfast restore run shop --position mariadb-bin.000017:8123 --table shop.orders --sql before.sql",
      "--gtid 0-1-4710",
      "3 more transactions",
    ],
    calls: [
      { route: "instances.show", input: { instance: "shop" } },
      { route: "finds.find", input: { instance: "shop", schema: "shop", table: "orders", drop: true, truncate: false, deleteOver: 100, from: "2026-11-21T13:00:00.000Z", limit: 100 } },
    ],
  },
  "log coverage": {
    argv: ["log", "coverage", "shop"],
    options: { answers: { "instances.coverage": { coverage }, "instances.show": { instance: instance(), probe: null } } },
    shows: ["2026-11-21 15:00:00 Europe/Berlin", "GAP  mariadb-bin.000018 was purged before it was shipped."],
  },
  "finding list": { argv: ["finding", "list", "--all"], options: { answers: { "system.findings": { findings: [finding] } } }, shows: ["critical: A backup of shop", "open since 1 h 00 min ago"] },
  "repository check": {
    argv: ["repository", "check", "main", "--sample", "12.5%", "--seed", "a", "--rate", "50MiB/s"],
    options: {
      answers: {
        "repositories.check": { job: job({ kind: "check" }), continued: null },
        "jobs.show": {
          job: succeeded(
            checked({ sample: { share: 0.125, seed: "a" }, read: { objects: 7, bytes: 250 }, continued: { objects: 3, bytes: 100, attempts: 1 }, unknown: [{ key: "x/backups/y/000000.zst.age", sizeBytes: 9, detail: "of an attempt" }] }),
            { kind: "check" },
          ),
        },
      },
    },
    shows: [
      "unknown: x/backups/y/000000.zst.age\n  9 B, of an attempt\n",
      "sample of 12.5 % with the seed a\n",
      "went on behind 3 objects (100 B) that 1 earlier attempt had read\n",
      "50 objects compared, 1000 B; 7 objects read (14.0 %), 250 B (25.0 %); 0 problems, 1 object that nobody knows\n",
    ],
    calls: [
      { route: "repositories.check", input: { repository: "main", depth: "hash", fresh: false, share: 0.125, seed: "a", rateBytesPerS: 52_428_800 } },
      { route: "jobs.show", input: { jobId: id(50) } },
    ],
  },
  "key generate": {
    argv: ["key", "generate", "/keys/daily.key"],
    options: { local: { keyGenerate: ({ path }) => Promise.resolve({ recipient: "age1daily", path }) } },
    shows: [/^age1daily\n$/],
  },
  "key ceremony": {
    argv: ["key", "ceremony", "--printer", "/dev/lp0"],
    options: { local: { keyCeremony: ({ printer, from }) => Promise.resolve({ recipient: printer === "/dev/lp0" && from === undefined ? "age1escrow" : "wrong" }) } },
    shows: [/^age1escrow\n$/],
  },
  "key from-paper": {
    argv: ["key", "from-paper", "/keys/escrow.key"],
    options: { local: { keyFromPaper: ({ path }) => Promise.resolve({ recipient: "age1escrow", path }) } },
    shows: [/^age1escrow\n$/],
  },
  "key check": {
    argv: ["key", "check", "/safe/escrow.key"],
    options: { local: { keyCheck: ({ path }) => Promise.resolve([{ subject: path ?? "", status: "ok", message: "opens what is sealed to age1escrow", remedy: null }]) } },
    shows: ["ok       /safe/escrow.key: opens"],
  },
  "key rotate": {
    argv: ["key", "rotate", "age1old", "age1new", "--write"],
    options: {
      local: {
        keyRotate: ({ isToBeWritten, from, to }) => Promise.resolve({ isWritten: isToBeWritten, places: [{ field: `keys.recipients.0`, line: 3 }], diagnoses: [{ subject: "keyholder", status: "ok", message: `opens ${to} for ${from}`, remedy: null }] }),
      },
    },
    shows: ["changed: holdfast.yaml:3: keys.recipients.0\n", "ok       keyholder: opens age1new for age1old", "holdfast apply", "keep its identity"],
  },
  "key organisation": {
    argv: ["key", "organisation", "/media/organisation.key"],
    options: { local: { keyOrganisation: ({ path }) => Promise.resolve({ path, publicKey: "pub", fingerprint: "ab" }) } },
    shows: [/^pub\n/],
  },
  "key sign-recipients": {
    argv: ["key", "sign-recipients", "age1daily", "age1escrow", "--key", "/media/organisation.key", "--serial", "7"],
    options: {
      local: {
        keySignRecipients: ({ keyPath, recipients, serial }) => Promise.resolve({ kind: keyPath, body: { serial: serial ?? 0, signedAt: NOW, recipients: [...recipients] }, signature: { key: "k", value: "v" } }),
      },
    },
    shows: [/"kind": "\/media\/organisation.key"/, /"serial": 7/, /"age1daily",\n +"age1escrow"/],
  },
  "key log": {
    argv: ["key", "log", "/kh/releases.jsonl", "--head", "cd"],
    options: { local: { keyLog: ({ path, head }) => Promise.resolve({ number: path === "/kh/releases.jsonl" && head === "cd" ? 7 : 0, sha256: "ab", at: NOW }) } },
    shows: [`7 entries, the last of ${NOW}; each follows from the one before.\nhead ab`],
  },
  keyholder: { argv: ["keyholder"], options: { local: { keyholder: () => Promise.resolve() } }, shows: [] },
  "catalog rebuild": {
    argv: ["catalog", "rebuild"],
    options: { local: { catalogRebuild: () => Promise.resolve({ backups: 9, segments: 30, verifications: 4, holds: 1, refused: ["x/backups/y/manifest.json"], missing: ["z is gone"] }) } },
    shows: ["Rebuilt: 9 backups, 30 log pieces, 4 verifications, 1 hold.", "refused: x/backups/y/manifest.json", "missing: z is gone"],
  },
  recover: {
    argv: ["recover", "/mnt/backup", "--fingerprint", "ab", "--identity", "escrow.key"],
    options: {
      local: {
        recover: ({ config, stateDir, fingerprint }) =>
          Promise.resolve({ ...rebuilt, refused: ["x/backups/y/manifest.json: forged"], missing: ["z is gone"], configPath: config, stateDir, signingKeyFingerprint: fingerprint, stateAt: NOW, otherRepositories: ["away"] }),
      },
    },
    shows: ["9 backups, 30 log pieces", `as of ${NOW}`, "refused: x/backups/y/manifest.json: forged", "missing: z is gone", "not read: away", "FROZEN", "holdfast thaw"],
  },
  thaw: { argv: ["thaw"], options: { answers: { "system.thaw": { was: { why: "recovered", at: NOW } } } }, shows: [`recovered at ${NOW}`] },
  export: { argv: ["export"], options: { answers: { "system.export": exported } }, shows: ['"backups": []'] },
  completion: { argv: ["completion", "bash"], options: {}, shows: ["complete -o default -F _holdfast holdfast"] },
};

describe("every command that ends well", () => {
  it("is in the table of this test", () => {
    expect(Object.keys(WELL).sort()).toEqual(commands.map(({ name }) => name).sort());
  });

  it.each(Object.entries(WELL))("%s says it in words and exits with 0", async (_name, { argv, options, shows, calls }) => {
    const ran = await runCli(argv, options);
    expect(ran, ran.stderr).toMatchObject({ code: 0, errors: [] });
    for (const words of shows) expect(ran.stdout).toMatch(words);
    if (calls !== undefined) expect(ran.calls).toEqual(calls);
  });

  /** What runs until it is told to stop has no result. */
  const SERVICES = ["up", "server", "gateway", "keyholder", "agent run"];

  it.each(Object.entries(WELL).filter(([name]) => !SERVICES.includes(name)))("%s gives one JSON document and nothing else with --json", async (_name, { argv, options }) => {
    const ran = await runCli([...argv, "--json"], options);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    const document: unknown = JSON.parse(ran.stdout);
    expect(document).toBeTypeOf("object");
    expect(document).not.toHaveProperty("error");
  });

  it.each(Object.entries(WELL))("%s keeps its tables within 80 characters", async (name, { argv, options }) => {
    const { stdout } = await runCli(argv, { ...options, columns: 80 });
    const tableRows = stdout.split("\n").filter((line) => /^\S.*\S {2,}\S+ {2,}/.test(line));
    if (name !== "completion") for (const row of tableRows) expect(row.length, row).toBeLessThanOrEqual(80);
  });
});
