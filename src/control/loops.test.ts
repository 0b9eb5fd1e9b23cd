import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { listJobs } from "../catalog/jobs.ts";
import { openWorld, type World } from "./control.fixture.ts";
import { controlLoops, startLoops } from "./loops.ts";

describe("control loops", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld({ full: { every: "1h" } });
  });
  afterEach(() => world.close());

  it("survive a pass that throws, keep a finding about it and close it when a pass goes well", async () => {
    let passes = 0;
    const states: number[] = [];
    const pass = async (): Promise<void> => {
      passes += 1;
      states.push((await listFindings(world.ports.catalog.db, { all: false })).length);
      if (passes < 3) throw new Error("broken");
    };
    const loops = startLoops(world.ports, [{ name: "fragile", everyMs: 1, pass }]);
    while (passes < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    await loops.stop();
    expect(states.slice(0, 5)).toEqual([0, 1, 1, 0, 0]);
    expect(await listFindings(world.ports.catalog.db, { all: true })).toMatchObject([{ kind: "loop-failed", subject: "loop:fragile", message: "The server's fragile loop fails: broken" }]);
  });

  it("of a server schedule and knock by themselves, and end when they are stopped", async () => {
    const loops = startLoops(world.ports, controlLoops(world.dispatcher, () => Promise.reject(new Error("no segment has replaced anything"))));
    while (world.knocks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await loops.stop();
    expect((await listJobs(world.ports.catalog.db, { limit: 10 })).map(({ kind }) => kind).sort()).toEqual(["backup", "probe", "ship"]);
    expect(await listFindings(world.ports.catalog.db, { all: true })).toEqual([]);
  });
});
