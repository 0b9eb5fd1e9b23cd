import { defineEngine } from "../engine.ts";
import { startBackup } from "./backup.ts";
import { followLog } from "./binlog/follow.ts";
import { mysqlOptionsSchema } from "./options.ts";
import { prepare } from "./prepare.ts";
import { probe } from "./probe.ts";
import { loadSql, serve, startSandbox } from "./sandbox.ts";
import { startTableSandbox } from "./table/table-sandbox.ts";
import { toolVersions } from "./tools.ts";
import { unpack } from "./unpack.ts";

/** MariaDB by mariadb-backup and its binary log; MySQL servers are probed and refused with a reason. */
export const mysqlEngine = defineEngine({
  kind: "mysql",
  title: "MariaDB",
  options: mysqlOptionsSchema,
  probe,
  startBackup,
  followLog,
  unpack,
  prepare,
  startSandbox,
  startTableSandbox,
  serve,
  loadSql,
  tools: () => toolVersions(),
});
