import { describe, expect, test } from "vitest";
import type { IndexedFile } from "../../../model/backup-index.ts";
import { type ChainSelection, serverFiles, tableFiles, written } from "./table-files.ts";

/** `path`, `path=id` for a tablespace, `path>name` for a marker. */
function file(text: string): IndexedFile {
  const [path = "", id] = text.split("=");
  const [name = "", marker = null] = path.split(">");
  return { path: name, sizeBytes: 1, spaceId: id === undefined ? null : Number(id), marker, extents: [] };
}
const files = (...texts: string[]): IndexedFile[] => texts.map(file);
const paths = (selection: ChainSelection): string[][] => selection.map((each) => each.map(({ file: { path: from }, path }) => (from === path ? path : `${from} as ${path}`)).sort());
const orders = [{ dir: "shop", base: "orders" }];

describe("the files of a table", () => {
  test("are its own, its partitions', its triggers' and no other's", () => {
    const index = files("shop/orders.frm", "shop/orders.ibd=5", "shop/orders.par", "shop/orders#P#p0.ibd=6", "shop/orders.TRG", "shop/x.TRN", "shop/orders2.ibd=7", "shop/orders@002dx.ibd=8", "other/orders.ibd=9", "shop/orders.isl", "shop/#sql-1.ibd=10", "other/x.TRN");
    expect(paths(tableFiles([index], orders))).toEqual([["shop/orders#P#p0.ibd", "shop/orders.TRG", "shop/orders.frm", "shop/orders.ibd", "shop/orders.par", "shop/x.TRN"]]);
  });

  test("are followed by the id of their tablespace, whatever they were called below", () => {
    const chain = [
      files("shop/old.ibd=5", "shop/old.frm", "shop/orders.ibd=6", "shop/orders.frm"),
      files("shop/between.ibd.delta", "shop/between.ibd.meta=5", "shop/orders.ibd.delta", "shop/orders.ibd.meta=6", "shop/orders.frm"),
      files("shop/orders.ibd.delta", "shop/orders.ibd.meta=5", "shop/orders.frm"),
    ];
    expect(paths(tableFiles(chain, orders))).toEqual([["shop/old.ibd"], ["shop/between.ibd.delta", "shop/between.ibd.meta"], ["shop/orders.frm", "shop/orders.ibd.delta", "shop/orders.ibd.meta"]]);
  });

  test("end where the tablespace was made", () => {
    const chain = [files("shop/orders.ibd=5"), files("shop/orders.new=7"), files("shop/orders.ibd.delta", "shop/orders.ibd.meta=7", "shop/orders.frm")];
    expect(paths(tableFiles(chain, orders))).toEqual([[], ["shop/orders.new"], ["shop/orders.frm", "shop/orders.ibd.delta", "shop/orders.ibd.meta"]]);
  });

  test("hold the hidden tables that belong to them", () => {
    const index = files("shop/orders.frm", "shop/FTS_01_CONFIG.ibd=8", "shop/FTS_02_CONFIG.ibd=9");
    expect(paths(tableFiles([index], orders, ["shop/FTS_01_"]))).toEqual([["shop/FTS_01_CONFIG.ibd", "shop/orders.frm"]]);
  });
});

describe("names after the definitions that ran meanwhile", () => {
  test("are those at the end: swapped, gone, made anew; no marker is written", () => {
    const index = files("d/a.ibd=1", "d/b.ibd=2", "d/a.ren>d/b", "d/b.ren>./d/a.ibd", "d/gone.ibd=3", "d/gone.del>", "d/cut.ibd=4", "d/cut.new=5", "d/c.ibd.delta", "d/c.ibd.meta=6", "d/c.ren>e/c");
    expect(paths([written(index)])).toEqual([["d/a.ibd as d/b.ibd", "d/b.ibd as d/a.ibd", "d/c.ibd.delta as e/c.ibd.delta", "d/c.ibd.meta as e/c.ibd.meta", "d/cut.new"]]);
  });

  test("let another table come in the place of one that left", () => {
    expect(paths([written(files("d/a.ibd=1", "d/a.ren>d/b", "d/a.new=2"))])).toEqual([["d/a.ibd as d/b.ibd", "d/a.new"]]);
  });
});

test("a server needs what lies outside schemas, its own schemas, and what schemas say of themselves", () => {
  const index = files("ibdata1=0", "undo001=1", "ib_logfile0", "aria_log_control", "aria_log.00000001", "xtrabackup_info", "backup-my.cnf", "mysql/user.MAD", "mysql/x.ibd=2", "sys/v.frm", "shop/db.opt", "shop/orders.frm", "mysqlx/a.frm");
  expect(paths(serverFiles([index]))[0]).toEqual(["aria_log.00000001", "aria_log_control", "backup-my.cnf", "ib_logfile0", "ibdata1", "mysql/user.MAD", "mysql/x.ibd", "shop/db.opt", "sys/v.frm", "undo001", "xtrabackup_info"]);
});
