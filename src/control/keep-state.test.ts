import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { putPolicy } from "../catalog/policies.ts";
import { insertInstance } from "../catalog/instances.ts";
import { verifySigned, type Signed } from "../lib/signing.ts";
import { policySchema } from "../model/policy.ts";
import { POLICY_VERSION_KIND, policyVersionDocumentSchema, SERVER_STATE_KIND, serverStateDocumentSchema, serverStateSchema } from "../model/server-state.ts";
import { keysOf, openWorld, RECIPIENTS, type World } from "./control.fixture.ts";
import { freeze } from "./frozen.ts";
import { keepServerState, type KeptState } from "./keep-state.ts";
import { recoverAtStart } from "./loops.ts";
import { readDocument } from "./stored-document.ts";

/** Not a cipher: the tests of keys/ are about that. */
const seal: KeptState["seal"] = async (text, recipients) => Buffer.from(JSON.stringify({ text, recipients }));

describe("the server's state in its repositories", () => {
  let world: World;
  const kept = (configuration: Record<string, unknown> = { a: 1 }, recipients = RECIPIENTS): KeptState => ({ signingKey: "pem", metadataIdentity: "AGE", configuration, recipients, seal });
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
  });
  afterEach(() => world.close());
  const opened = async (key: string, kind: string): Promise<{ body: Record<string, unknown>; text: string }> => {
    const signed = JSON.parse(await readDocument(world.storage, key)) as Signed<Record<string, unknown>>;
    const body = verifySigned(signed, { kind, publicKey: world.ports.signer.publicKey, name: key });
    return { body, text: (JSON.parse(Buffer.from(String(body["sealed"]), "base64").toString()) as { text: string }).text };
  };

  it("holds keys, configuration, instances and policy versions, signed and sealed to the recipients", async () => {
    const [policyKey = "", stateKey = ""] = await keepServerState(world.ports, kept());
    const state = await opened(stateKey, SERVER_STATE_KIND);
    expect(serverStateDocumentSchema.parse(state.body).recipients).toEqual(RECIPIENTS);
    expect(serverStateSchema.parse(JSON.parse(state.text))).toMatchObject({ repositoryName: "main", signingKey: "pem", metadataIdentity: "AGE", configuration: { a: 1 }, instances: [{ id: world.instanceId }] });
    const policy = await opened(policyKey, POLICY_VERSION_KIND);
    expect(policyVersionDocumentSchema.parse(policy.body)).toMatchObject({ name: "daily", version: 1 });
    expect(JSON.parse(policy.text)).toMatchObject({ spec: { repository: "main" } });
  });

  it("is written again when configuration, keys, instances, policies or recipients change, and not otherwise", async () => {
    await keepServerState(world.ports, kept());
    expect(await keepServerState(world.ports, kept())).toEqual([]);
    expect(await keepServerState(world.ports, kept({ a: 2 }))).toHaveLength(1);
    expect(await keepServerState(world.ports, { ...kept({ a: 2 }), signingKey: "other" })).toHaveLength(1);
    expect(await keepServerState(world.ports, kept())).toHaveLength(1);
    await insertInstance(world.ports.catalog.db, { id: world.ports.newId(), name: "b", engine: "mysql", policy: "daily", region: "local", timeZone: "UTC", owner: null, connection: {}, createdAt: "2026-05-01T00:00:00.000Z", removedAt: null });
    expect(await keepServerState(world.ports, kept())).toHaveLength(1);
    await putPolicy(world.ports.catalog.db, "daily", policySchema.parse({ full: { cron: "0 3 * * *" }, repository: "main", recipients: RECIPIENTS }));
    expect(await keepServerState(world.ports, kept())).toEqual([expect.stringContaining("_control/policies/")]);
    expect(await keepServerState(world.ports, kept({ a: 1 }, ["age1new"]))).toHaveLength(2);
    await world.restart();
    expect(await keepServerState(world.ports, kept({ a: 1 }, ["age1new"]))).toEqual([]);
  });

  it("is not written while the catalog is frozen", async () => {
    await freeze(world.ports.catalog.db, { why: "recovered", at: "2026-05-01T00:00:00.000Z" });
    expect(await keepServerState(world.ports, kept())).toEqual([]);
    expect(await keysOf(world.storage, "_control/")).toEqual([]);
  });

  it("is not written with a clock that went back behind the newest", async () => {
    await keepServerState(world.ports, kept());
    const behind = { ...world.ports, newId: () => "00000000000000000000000000" };
    await expect(keepServerState(behind, kept({ a: 2 }))).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
