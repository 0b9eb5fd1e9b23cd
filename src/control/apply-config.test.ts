import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { getConnectedInstance, listInstances } from "../catalog/instances.ts";
import { getPolicy } from "../catalog/policies.ts";
import { instanceSpecSchema } from "../model/instance.ts";
import { policySchema } from "../model/policy.ts";
import { applyConfig, type DesiredConfig } from "./apply-config.ts";
import { openWorld, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";

const policy = policySchema.parse({ full: { cron: "0 2 * * *" }, repository: "main" });
const base: DesiredConfig = {
  repositories: { main: { kind: "memory", options: {} } },
  policies: { daily: policy },
  instances: { shop: instanceSpecSchema.parse({ engine: "mysql", connection: {}, policy: "daily" }) },
  keys: { recipients: ["age1recipient", "age1escrow"] },
};
const withInstances = (instances: Record<string, object>): DesiredConfig => ({
  ...base,
  instances: Object.fromEntries(Object.entries(instances).map(([name, spec]) => [name, instanceSpecSchema.parse({ engine: "mysql", connection: {}, policy: "daily", ...spec })])),
});

describe("applying a configuration", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());
  const apply = async (desired: DesiredConfig, dryRun = false): Promise<string[]> => {
    const changes = await applyConfig(world.ports.catalog.db, desired, { dryRun, at: "2026-05-02T00:00:00.000Z", newId: world.ports.newId });
    return changes.filter(({ change }) => change !== "unchanged").map(({ noun, name, change, detail }) => `${noun} ${name} ${change}: ${detail}`);
  };

  it("changes nothing when nothing differs", async () => {
    expect(await apply(base)).toEqual([]);
  });

  it("gives policies without recipients those of the keys", async () => {
    await apply({ ...base, policies: { daily: policy, weekly: policy } });
    expect((await getPolicy(world.ports.catalog.db, "weekly"))?.spec.recipients).toEqual(["age1recipient", "age1escrow"]);
  });

  it("tells in a dry run what it would do and does not do it", async () => {
    expect(await apply(withInstances({ shop: { region: "eu" }, blog: {} }), true)).toEqual(["instance shop changed: region: local → eu", expect.stringContaining("instance blog added")]);
    expect((await listInstances(world.ports.catalog.db)).map(({ name, region }) => [name, region])).toEqual([["shop", "local"]]);
  });

  it.each<[string, DesiredConfig, boolean]>([
    ["other recipients", { ...base, keys: { recipients: ["age1recipient", "age1new"] } }, true],
    ["another policy", { ...withInstances({ shop: { policy: "weekly" } }), policies: { daily: policy, weekly: { ...policy, recipients: ["age1new"] } } }, true],
    ["another region", withInstances({ shop: { region: "eu" } }), false],
    ["another policy beside it", { ...base, policies: { daily: policy, weekly: { ...policy, recipients: ["age1new"] } } }, false],
  ])("with %s ends shipping where it would go on sealing to those of before, and only there", async (_what, desired, ends) => {
    await submit(world, { kind: "ship" });
    const order = (await claim(world.dispatcher, { agent: "a" }))!;
    expect(await world.dispatcher.leases.heartbeat(order, null)).toMatchObject({ cancel: false });
    await apply(desired, true);
    expect(await world.dispatcher.leases.heartbeat(order, null)).toMatchObject({ cancel: false });
    await apply(desired);
    expect(await world.dispatcher.leases.heartbeat(order, null)).toMatchObject({ cancel: ends });
  });

  it("leaves shipping that is only due alone: its order is still to be made", async () => {
    const { jobId } = await submit(world, { kind: "ship" });
    await apply({ ...base, keys: { recipients: ["age1new"] } });
    expect(await claim(world.dispatcher, { agent: "a" })).toMatchObject({ jobId, work: { sealing: { recipients: ["age1new"] } } });
  });

  it("keeps an instance's id when what is said of it changes, and shows no value of its connection", async () => {
    expect(await apply(withInstances({ shop: { connection: { password: "s3cret" } } }))).toEqual(["instance shop changed: connection"]);
    expect(await getConnectedInstance(world.ports.catalog.db, world.instanceId)).toMatchObject({ name: "shop", connection: { password: "s3cret" } });
  });

  it("takes a renamed instance for a new one and says so on both sides", async () => {
    const [added, removed] = await apply(withInstances({ store: {} }));
    expect(added).toMatch(/instance store added: .* same server as shop/);
    expect(removed).toMatch(/instance shop removed: .*store now reaches the same server/);
    expect((await listInstances(world.ports.catalog.db, { current: true })).map(({ name }) => name)).toEqual(["store"]);
  });

  it("brings a removed instance back under its old id", async () => {
    await apply(withInstances({}));
    expect(await apply(base)).toEqual(["instance shop added: it comes back with its backups"]);
    expect((await listInstances(world.ports.catalog.db, { current: true })).map(({ id }) => id)).toEqual([world.instanceId]);
  });

  it("forgets a repository that holds nothing", async () => {
    expect(await apply({ ...base, repositories: { other: { kind: "memory", options: {} } } })).toEqual(["repository other added: a new memory", "repository main removed: it holds nothing"]);
  });
});
