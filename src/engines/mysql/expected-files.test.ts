import { describe, expect, it } from "vitest";
import { expectedFiles, missingFiles } from "./expected-files.ts";

const names = (...paths: string[]): { path: string; marker: string | null }[] => paths.map((path) => ({ path, marker: null }));

describe("the files that a prepared directory must hold", () => {
  it("are a full's table files and tablespaces, and nothing that belongs to the backup itself", () => {
    const files = names("ibdata1", "undo001", "ib_logfile0", "aria_log.00000001", "xtrabackup_info", "backup-my.cnf", "d/db.opt", "d/t.frm", "d/t.ibd", "d/p.par", "d/p#P#p0.ibd", "d/m.MYD", "d/m.MYI", "d/t.isl");
    expect(expectedFiles(files)).toEqual(["d/db.opt", "d/m.MYD", "d/m.MYI", "d/p#P#p0.ibd", "d/p.par", "d/t.frm", "d/t.ibd", "ibdata1", "undo001"]);
  });

  it("are named by an incremental's deltas", () => {
    expect(expectedFiles(names("ibdata1.delta", "ibdata1.meta", "d/t.ibd.delta", "d/t.ibd.meta", "d/t.frm"))).toEqual(["d/t.frm", "d/t.ibd", "ibdata1"]);
  });

  it("do not hold what was dropped during the backup, unless it was made again", () => {
    expect(expectedFiles(names("d/a.ibd", "d/a.del", "d/b.ibd.delta", "d/b.del", "d/b.new"))).toEqual(["d/b.ibd"]);
  });

  it("hold a table made during the backup under its final name, also in an incremental", () => {
    expect(expectedFiles(names("d/a.new", "d/b.new.delta", "d/b.new.meta"))).toEqual(["d/a.ibd", "d/b.ibd"]);
  });

  it("follow renames, and two tables that swapped their names are both there", () => {
    const swap = [...names("d/a.ibd", "d/b.ibd.delta"), { path: "d/a.ren", marker: "d/b" }, { path: "d/b.ren", marker: "d/a" }];
    expect(expectedFiles(swap)).toEqual(["d/a.ibd", "d/b.ibd"]);
    expect(expectedFiles([...names("d/a.ibd"), { path: "d/a.ren", marker: "./e/c.ibd" }])).toEqual(["e/c.ibd"]);
  });

  it("are named in a sentence each when they are missing", () => {
    expect(missingFiles(["d/a.ibd", "d/b.ibd"], new Set(["d/b.ibd"]))).toEqual(["The prepared directory lacks d/a.ibd, which the backup's index names."]);
  });
});
