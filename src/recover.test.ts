import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "./config/config-file.ts";
import { NOT_KEPT } from "./config/config.ts";
import { generateKeyPair, writeIdentityFile } from "./keys/identities.ts";
import { systemClock } from "./lib/clock.ts";
import { silentLog } from "./lib/log.ts";
import { generateSigningKey, type Signed, signerFrom } from "./lib/signing.ts";
import { runTool } from "./lib/process.ts";
import { api } from "./model/api/index.ts";
import { type RecoverOptions, recoverServer } from "./recover.ts";
import { startUp } from "./up.ts";

/** A server that lived long enough to keep its state, and what is left of it: a repository, a fingerprint, identities. */
describe("recovering a server", () => {
  let dir: string;
  let fingerprint: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hf-rec-"));
    const recipients: string[] = [];
    for (const name of ["daily", "escrow", "stranger"]) {
      const pair = await generateKeyPair();
      await writeIdentityFile(join(dir, `${name}.key`), pair, systemClock);
      recipients.push(pair.recipient);
    }
    await writeConfig(recipients.slice(0, 2), "5m");
    fingerprint = await live();
    await rm(join(dir, "state"), { recursive: true });
  });
  afterEach(() => rm(dir, { recursive: true }));

  const writeConfig = (recipients: readonly string[], shipEvery: string): Promise<void> =>
    writeFile(
      join(dir, "holdfast.yaml"),
      `stateDir: state
keys: { recipients: [${recipients.join(", ")}], identities: [daily.key] }
repositories:
  main: { kind: local, options: { path: repo } }
  away: { kind: local, options: { path: away } }
policies: { daily: { full: { cron: "0 2 1 1 *" }, repository: main, logs: { shipEvery: ${shipEvery} } } }
instances:
  shop: { engine: mysql, policy: daily, owner: ann, connection: { host: db1, port: 3306, user: backup, password: "s3cret word" } }
`,
    );
  /** Takes the configuration up and ends; the signing key's fingerprint. */
  async function live(): Promise<string> {
    const config = await loadConfig(join(dir, "holdfast.yaml"), {});
    const up = await startUp({ config, log: silentLog, clock: systemClock, mode: "oneshot" });
    try {
      return (await up.client.call(api.system.status, {})).signingKeyFingerprint;
    } finally {
      await up.stop();
    }
  }
  const recover = (options: Partial<RecoverOptions> = {}) =>
    recoverServer({
      repository: join(dir, "repo"),
      fingerprint,
      identityPath: join(dir, "escrow.key"),
      stateDir: join(dir, "new"),
      configPath: join(dir, "new.yaml"),
      clock: systemClock,
      openLog: () => silentLog,
      signal: new AbortController().signal,
      ...options,
    });
  const stateDocuments = async (): Promise<string[]> => (await readdir(join(dir, "repo/_control/state"))).sort().map((name) => join(dir, "repo/_control/state", name));
  const newThings = async (): Promise<string[]> => (await readdir(dir)).filter((name) => name.startsWith("new"));

  it("gives back its keys, its instances' ids and a configuration that lacks only what was secret", async () => {
    expect(await recover()).toMatchObject({ backups: 0, refused: [], signingKeyFingerprint: fingerprint, otherRepositories: ["away"] });
    const text = await readFile(join(dir, "new.yaml"), "utf8");
    expect(text).not.toContain("s3cret");
    expect(text).toMatch(/^# .*instances\.shop\.connection\.password$/m);
    expect(text).toMatch(/^# Not read yet: the repositories away\./m);
    expect(text).toMatch(/^# Identity files on the old machine: .*daily\.key\.$/m);
    expect((await stat(join(dir, "new.yaml"))).mode & 0o777).toBe(0o600);
    const config = await loadConfig(join(dir, "new.yaml"), {});
    expect(config).toMatchObject({
      stateDir: join(dir, "new"),
      keys: { identities: [join(dir, "escrow.key")] },
      repositories: { main: { options: { path: join(dir, "repo") } }, away: { options: { path: join(dir, "away") } } },
      policies: { daily: { logs: { shipEvery: 300_000 } } },
      instances: { shop: { owner: "ann", connection: { password: NOT_KEPT, user: "backup" } } },
    });
    const up = await startUp({ config, log: silentLog, clock: systemClock, mode: "oneshot" });
    expect(await up.client.call(api.system.status, {})).toMatchObject({ signingKeyFingerprint: fingerprint, frozen: { why: "recovered" }, instances: [{ name: "shop", owner: "ann" }] });
    await up.stop();
  });

  it("opens without Holdfast: the sealed state is a standard age file", async () => {
    const [path = ""] = await stateDocuments();
    const { body } = JSON.parse(await readFile(path, "utf8")) as Signed<{ sealed: string }>;
    await writeFile(join(dir, "sealed.age"), Buffer.from(body.sealed, "base64"));
    const { stdout } = await runTool({ file: "age", args: ["-d", "-i", join(dir, "escrow.key"), join(dir, "sealed.age")] });
    expect(stdout).toContain("BEGIN PRIVATE KEY");
    expect(stdout).not.toContain("s3cret");
  });

  it("takes the newest state, and passes over one that is forged by naming it", async () => {
    const [genuine = ""] = await stateDocuments();
    const { kind, body } = JSON.parse(await readFile(genuine, "utf8")) as Signed<Record<string, unknown>>;
    const forged = signerFrom(generateSigningKey()).sign(kind, { ...body, documentId: "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" });
    await writeFile(join(dir, "repo/_control/state/7ZZZZZZZZZZZZZZZZZZZZZZZZZ.json"), JSON.stringify({ ...forged, signature: { ...forged.signature, key: fingerprint } }));
    // The genuine one again under a name that sorts last.
    await writeFile(join(dir, "repo/_control/state/7ZZZZZZZZZZZZZZZZZZZZZZZZY.json"), await readFile(genuine, "utf8"));
    const { refused, stateAt } = await recover();
    expect(stateAt).toBe(body["at"]);
    expect(refused.map((line) => /7Z+[YZ]\.json is refused: (its signature|it belongs at)/.exec(line)?.[1])).toEqual(["it belongs at", "its signature"]);
  });

  it("refuses another identity, another fingerprint, a repository without a state, and leaves nothing behind", async () => {
    await expect(recover({ identityPath: join(dir, "stranger.key") })).rejects.toMatchObject({ code: "KEY_WRONG" });
    await expect(recover({ fingerprint: "ab".repeat(32) })).rejects.toMatchObject({ code: "REPOSITORY_FOREIGN" });
    await expect(recover({ fingerprint: "abc" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(recover({ repository: join(dir, "nothing") })).rejects.toMatchObject({ code: "NOT_FOUND" });
    for (const path of await stateDocuments()) await rm(path);
    await expect(recover()).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await newThings()).toEqual([]);
  });

  it("takes away what it made when it fails half-way", async () => {
    const stopped = { ...systemClock, nowMs: () => systemClock.nowMs() };
    await expect(recover({ clock: stopped, openLog: () => { throw new Error("no log"); } })).rejects.toThrow("no log"); // prettier-ignore
    expect(await newThings()).toEqual([]);
    expect(await recover()).toMatchObject({ refused: [] });
  });

  it("writes over neither a configuration nor a state directory", async () => {
    await writeFile(join(dir, "new.yaml"), "mine");
    await expect(recover()).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
    expect(await readFile(join(dir, "new.yaml"), "utf8")).toBe("mine");
    await expect(recover({ configPath: join(dir, "other.yaml"), stateDir: join(dir, "repo") })).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
    expect(await readdir(join(dir, "repo"))).toContain("holdfast.json");
  });

  it("takes a fingerprint as it is written on paper, and a repository of any kind from a file", async () => {
    await writeFile(join(dir, "place.yaml"), `kind: local\noptions: { path: ${join(dir, "repo")} }\n`);
    const written = fingerprint.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:");
    expect(await recover({ fingerprint: written, repository: join(dir, "place.yaml") })).toMatchObject({ signingKeyFingerprint: fingerprint });
  });

  it("goes back to the policy as it was last", async () => {
    const again = await recover();
    const config = await readFile(again.configPath, "utf8");
    await writeFile(again.configPath, config.replace("shipEvery: 5m", "shipEvery: 7m"));
    const up = await startUp({ config: await loadConfig(again.configPath, {}), log: silentLog, clock: systemClock, mode: "oneshot" });
    await up.client.call(api.system.thaw, { by: "ann" });
    await up.stop();
    const once = await startUp({ config: await loadConfig(again.configPath, {}), log: silentLog, clock: systemClock, mode: "oneshot" });
    const { policies } = await once.client.call(api.system.export, {});
    await once.stop();
    await rm(join(dir, "new"), { recursive: true });
    await rm(again.configPath);
    await recover();
    const second = await startUp({ config: await loadConfig(again.configPath, {}), log: silentLog, clock: systemClock, mode: "oneshot" });
    expect(policies).toMatchObject([{ version: 2, spec: { logs: { shipEvery: 420_000 } } }]);
    expect((await second.client.call(api.system.export, {})).policies).toEqual(policies);
    await second.stop();
  });
});
