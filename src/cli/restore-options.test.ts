import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runCli } from "../../test/fakes/cli.ts";
import { instance, job, NOW, plan, restored, succeeded } from "../../test/fakes/cli-documents.ts";
import { tableName, targetFrom } from "./restore-options.ts";

const quoted = (name: string): string => `\`${name.replaceAll("`", "``")}\``;
const isPlain = (name: string): boolean => !/[.`]/.test(name);
const name = fc.string({ unit: fc.oneof(fc.constantFrom(".", "`", " ", "'", '"', "\n", "a", "é", "🦊"), fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 })), minLength: 1, maxLength: 12 });

describe("the name of a table", () => {
  it("comes back from how it is quoted, whatever it holds", () => {
    fc.assert(
      fc.property(name, name, fc.boolean(), (schema, table, bare) => {
        const write = (part: string): string => (bare && isPlain(part) ? part : quoted(part));
        expect(tableName(`${write(schema)}.${write(table)}`)).toEqual({ schema, table });
      }),
    );
  });

  it.each(["orders", "shop.", ".orders", "a.b.c", "`a.b", "a.`b", "``.b", "a.``", "a`b.c", "`a`b`.c", ""])("is refused when it is %j, and the text is named", (text) => {
    expect(() => tableName(text)).toThrow(`--table is "${text}"`);
  });
});

describe("a target", () => {
  it("is a directory, made absolute from where the command runs", () => {
    expect(targetFrom({ targetDir: "restored", start: true })).toEqual({ kind: "directory", path: resolve("restored"), start: true });
  });

  it("is a table as SQL or in another server", () => {
    expect(targetFrom({ table: "shop.orders", sql: "orders.sql" })).toEqual({ kind: "table", schema: "shop", table: "orders", sqlPath: resolve("orders.sql") });
    expect(targetFrom({ table: "shop.orders", into: '{"socket":"/s","user":"u"}' })).toMatchObject({ into: { socket: "/s", user: "u" } });
  });

  it("never repeats a connection that cannot be read: it may hold a password", () => {
    expect(() => targetFrom({ table: "a.b", into: '{"password":"hunter2"' })).toThrow(expect.not.objectContaining({ message: expect.stringContaining("hunter2") as string }));
  });
});

describe("a goal", () => {
  it.each<[string[], unknown]>([
    [["--to", "2026-11-21 15:00"], { kind: "time", at: NOW }],
    [["--to", "2026-11-21T14:00:00Z"], { kind: "time", at: NOW }],
    [["--gtid", "0-1-4711"], { kind: "gtid", gtid: "0-1-4711" }],
    [["--position", "bin:log.000017:4711"], { kind: "position", file: "bin:log.000017", position: 4711 }],
    [["--latest"], { kind: "latest" }],
  ])("%j is asked of the server as it was meant", async (words, goal) => {
    const answers = {
      "instances.show": { instance: instance(), probe: null },
      "restores.run": { job: job(), plan: plan() },
      "jobs.show": { job: succeeded(restored) },
    };
    const ran = await runCli(["restore", "run", "shop", ...words, "--allow-gap", "--target-dir", "/srv/r"], { answers });
    expect(ran.code, ran.stderr).toBe(0);
    const input = { instance: "shop", goal, allowGap: true, target: { kind: "directory", path: "/srv/r", start: false } };
    expect(ran.calls.find(({ route }) => route === "restores.run")).toEqual({ route: "restores.run", input });
  });

  it("shows the plan before the restore, on stderr", async () => {
    const answers = { "instances.show": { instance: instance(), probe: null }, "restores.run": { job: job(), plan: plan({ warnings: ["the chain failed its T4 verification"] }) }, "jobs.show": { job: succeeded(restored) } };
    const ran = await runCli(["restore", "run", "shop", "--latest", "--target-dir", "/srv/r"], { answers });
    expect(ran.stderr).toContain("stops at   mariadb-bin.000017:4711");
    expect(ran.stderr).toContain("WARNING    the chain failed its T4 verification");
    expect(ran.stdout).not.toContain("stops at");
  });
});
