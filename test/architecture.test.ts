import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { cycles, drawers, exits, longFiles, type Sources, wallsBroken } from "./architecture/walls.ts";

const ROOT = resolve(import.meta.dirname, "..");

describe("this repository", () => {
  const sources = readSources(["src", "test", "scripts", "bench"]);

  it("imports only downward", () => {
    expect(wallsBroken(sources)).toEqual([]);
  });

  it("has no ring of imports", () => {
    expect(cycles(sources)).toEqual([]);
  });

  it("has no drawer: nothing called utils, helpers, common, manager or misc", () => {
    expect(drawers(sources)).toEqual([]);
  });

  it("ends the process in src/main.ts alone", () => {
    expect(exits(sources)).toEqual([]);
  });

  it("has one idea per file: none is longer than 400 lines", () => {
    expect(longFiles(sources)).toEqual([]);
  });
});

describe("the walls", () => {
  it.each([
    ["named import", 'import { x } from "../jobs/backup.ts";'],
    ["type import", 'import type { X } from "../jobs/backup.ts";'],
    ["bare import", 'import "../jobs/backup.ts";'],
    ["re-export", 'export * from "../jobs/backup.ts";'],
    ["dynamic import", 'const x = await import("../jobs/backup.ts");'],
    ["type query", 'type X = import("../jobs/backup.ts").X;'],
  ])("refuse an upward %s", (_form, text) => {
    expect(wallsBroken(planted({ "src/lib/a.ts": text }))).toEqual(["src/lib/a.ts: lib must not import jobs (src/jobs/backup.ts)"]);
  });

  it("keep the families apart", () => {
    expect(wallsBroken(planted({ "src/storage/s3.ts": 'import { x } from "../pack/write.ts";' }))).toHaveLength(1);
  });

  it.each([
    ["a sibling driver", "src/engines/mysql/a.ts", "../redis/b.ts"],
    ["the interface", "src/engines/engine.ts", "./mysql/a.ts"],
    ["another folder", "src/jobs/backup.ts", "../engines/mysql/a.ts"],
  ])("keep a driver's folder from %s", (_who, path, specifier) => {
    expect(wallsBroken(planted({ [path]: `import { x } from "${specifier}";` }))).toHaveLength(1);
  });

  it("let a driver use its own folder, its interface, lib and model, and its list use the driver", () => {
    const sources = planted({
      "src/engines/mysql/a.ts": 'import "./b.ts"; import "../engine.ts"; import "../../lib/log.ts"; import "../../model/job.ts";',
      "src/engines/index.ts": 'import { mysql } from "./mysql/index.ts";',
    });
    expect(wallsBroken(sources)).toEqual([]);
  });

  it("let the root import everything, and nothing import the root", () => {
    expect(wallsBroken(planted({ "src/up.ts": 'import "./server/app.ts"; import "./config.ts";' }))).toEqual([]);
    expect(wallsBroken(planted({ "src/server/app.ts": 'import type { Config } from "../config.ts";' }))).toHaveLength(1);
  });

  it("keep code out of test/ and give every folder a row", () => {
    expect(wallsBroken(planted({ "src/lib/a.ts": 'import "../../test/skip.ts";' }))).toHaveLength(1);
    expect(wallsBroken(planted({ "src/attic/a.ts": 'import "../lib/log.ts";' }))).toHaveLength(1);
  });

  it("ignore what only looks like an import", () => {
    expect(wallsBroken(planted({ "src/lib/a.ts": '// import "../jobs/a.ts"\nconst x = \'from "../jobs/a.ts"\';' }))).toEqual([]);
  });

  it("find a ring of values, but none of types", () => {
    const ring = { "src/lib/b.ts": 'import { c } from "./c.ts";', "src/lib/c.ts": 'export { a } from "./a.ts";' };
    expect(cycles(planted({ "src/lib/a.ts": 'import { type B } from "./b.ts";', ...ring }))).toEqual([
      "src/lib/a.ts -> src/lib/b.ts -> src/lib/c.ts -> src/lib/a.ts",
    ]);
    expect(cycles(planted({ "src/lib/a.ts": 'import type { B } from "./b.ts";', ...ring }))).toEqual([]);
    expect(cycles(planted({ "src/lib/a.ts": 'import { me } from "./a.ts";' }))).toHaveLength(1);
  });

  it("find drawers by file, folder and part of a name", () => {
    const paths = ["src/lib/utils.ts", "test/helpers/a.ts", "src/agent/lease-manager.ts", "src/lib/communal.ts"];
    expect(drawers(planted(Object.fromEntries(paths.map((path) => [path, ""]))))).toEqual(paths.slice(0, 3));
  });

  it("find every way to end the process outside src/main.ts", () => {
    const sources = planted({
      "src/main.ts": "process.exit(1);",
      "src/lib/a.ts": "if (x) process.exit(1);",
      "src/lib/b.ts": 'import { exit } from "node:process";',
      "src/lib/c.ts": "process.exitCode = 1; // process.exit",
    });
    expect(exits(sources)).toEqual(["src/lib/a.ts", "src/lib/b.ts"]);
  });

  it("count lines as an editor does", () => {
    expect(longFiles(planted({ "src/lib/a.ts": "\n".repeat(400), "src/lib/b.ts": "\n".repeat(401) }))).toEqual([
      "src/lib/b.ts: 401 lines, at most 400",
    ]);
  });
});

function planted(files: Record<string, string>): Sources {
  return new Map(Object.entries(files));
}

function readSources(folders: readonly string[]): Sources {
  const sources = new Map<string, string>();
  for (const folder of folders) {
    for (const path of filesBelow(folder)) sources.set(path, readFileSync(join(ROOT, path), "utf8"));
  }
  return sources;
}

function filesBelow(folder: string): string[] {
  return readdirSync(ROOT, { encoding: "utf8" }).includes(folder)
    ? readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".ts"))
        .map((path) => `${folder}/${path}`)
    : [];
}
