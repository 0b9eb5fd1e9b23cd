import { describe, expect, test } from "vitest";
import { z } from "zod";
import { closestName, knownKeys, schemaFaults } from "./schema-faults.ts";

const schedule = z.union([z.strictObject({ cron: z.string() }), z.strictObject({ every: z.string() })]);
const schema = z.strictObject({
  full: schedule,
  place: z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("local"), path: z.string() }), z.strictObject({ kind: z.literal("s3"), bucket: z.string(), key: z.string().length(3).meta({ secret: true }).optional() })]),
  level: z.number().min(1).max(19).default(3),
  mode: z.enum(["none", "all"]).default("none"),
  counts: z.union([z.enum(["none", "all"]), z.strictObject({ underRows: z.number() })]).default("none"),
});
const good = { full: { cron: "* * * * *" }, place: { kind: "local", path: "/b" } };

function faultsOf(value: unknown): string[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : schemaFaults(parsed.error, schema, value).map(({ field, message }) => `${field}: ${message}`);
}

describe("faults of a value against its schema", () => {
  test("a good value has none", () => {
    expect(faultsOf(good)).toEqual([]);
  });

  test("a misspelt key names the key that was meant, and is not also reported as missing", () => {
    expect(faultsOf({ ...good, full: { corn: "x" } })).toEqual(["full.corn: is not a known key; did you mean cron?"]);
    expect(faultsOf({ ...good, full: { evry: "x" } })).toEqual(["full.evry: is not a known key; did you mean every?"]);
  });

  test("an unknown key that resembles nothing lists what is known there", () => {
    expect(faultsOf({ ...good, colour: 1 })).toEqual(["colour: is not a known key; known here: full, place, level, mode, counts"]);
  });

  test("a wrong type and a number out of range show the value", () => {
    expect(faultsOf({ ...good, full: { cron: 3 }, level: 40 })).toEqual(["full.cron: 3 is a number, where a value of type string is expected", "level: 40 is more than the largest that is allowed, 19"]);
  });

  test("a wrong word lists the right ones, also for the kind that chooses a branch", () => {
    expect(faultsOf({ ...good, mode: "some" })).toEqual(['mode: "some" is not one of "none", "all"']);
    expect(faultsOf({ ...good, place: { kind: "tape" } })).toEqual(['place.kind: "tape" is not one of "local", "s3"']);
  });

  test("a value that fits no branch of a union says what would", () => {
    expect(faultsOf({ ...good, counts: 7 })).toEqual(['counts: 7 is none of: "none", "all", a value of type object']);
    expect(faultsOf({ ...good, counts: { underRows: "x" } })).toEqual(['counts.underRows: "x" is a string, where a value of type number is expected']);
  });

  test("a missing field says what to write", () => {
    expect(faultsOf({ place: good.place })).toEqual(["full: is missing; write a value of type object"]);
  });

  test("a secret is never shown", () => {
    const faults = faultsOf({ ...good, place: { kind: "s3", bucket: "b", key: "hunter2" } });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain("place.key: the value (not shown)");
    expect(faults[0]).not.toContain("hunter2");
  });
});

test("known keys of a union are those of all its branches", () => {
  expect(knownKeys(schema, ["full"])).toEqual(["cron", "every"]);
});

test("only a near name is suggested", () => {
  expect(closestName("repositry", ["repositories", "repository"])).toBe("repository");
  expect(closestName("polices", ["policies"])).toBe("policies");
  expect(closestName("banana", ["policies"])).toBeNull();
});
