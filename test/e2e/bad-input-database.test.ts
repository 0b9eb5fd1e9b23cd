import { copyFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runTool } from "../../src/lib/process.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { type UserPlace, userPlace } from "../fixtures/user-place.ts";

const README = resolve(import.meta.dirname, "../../README.md");
const BACKUP = ["backup", "run", "shop"];
/** What Holdfast itself needs on PATH, without the tools of MariaDB. */
const BARE = ["sh", "env", "node", "setpriv", "dirname", "readlink"];

let mariadb: Mariadb;
let place: UserPlace;
let backupId = "";

/** The SQL of the README's step on the account, as it stands there. */
async function readmeStatements(): Promise<string[]> {
  const { stdout } = await runTool({ file: "sed", args: ["-n", "/```sql/,/```/p", README] });
  const sql = stdout.replace(/```\w*/g, "").replace(/--.*$/gm, "");
  const statements = sql.split(";").map((statement) => statement.replace(/\s+/g, " ").trim()).filter((statement) => statement !== "");
  expect(statements.map((statement) => statement.split(" ")[0])).toEqual(["CREATE", "GRANT", "GRANT"]);
  return statements;
}

beforeAll(async () => {
  mariadb = await startMariadb();
  await mariadb.run(...(await readmeStatements()), "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO shop.orders VALUES (1), (2)");
  place = await userPlace({ connection: `{ socket: ${mariadb.socket}, user: holdfast, passwordFile: PLACE/shop.password }` });
  await place.configure((yaml) => yaml.replace("PLACE", place.path));
  await place.write("shop.password", "a long password\n");
  await place.succeed("instance", "probe", "shop");
  await place.succeed(...BACKUP);
  const { backups } = (await place.json("backup", "list")) as { backups: { backupId: string }[] };
  backupId = backups[0]?.backupId ?? "";
});
afterAll(async () => {
  await place.remove();
  await mariadb.stop();
});

const configure = (change: (yaml: string) => string = (yaml) => yaml): Promise<void> => place.configure((yaml) => change(yaml.replace("PLACE", place.path)));

describe("the account of the README", () => {
  it("with a wrong password is refused by user and place", async () => {
    await place.write("shop.password", "wrong\n");
    await place.refuse({ args: BACKUP, exit: 10, code: "DATABASE_LOGIN", says: `${mariadb.socket} refuses the user holdfast: Access denied`, advises: "Check user and password" });
    await place.write("shop.password", "a long password\n");
  });

  it("without a privilege is told the GRANT to run, and running it is enough", async () => {
    await mariadb.run("REVOKE RELOAD, PROCESS ON *.* FROM holdfast@localhost");
    const { stderr } = await place.run(BACKUP);
    const grant = /GRANT RELOAD, PROCESS ON \*\.\* TO 'holdfast'@'localhost';/.exec(stderr)?.[0] ?? "";
    await place.refuse({ args: BACKUP, exit: 10, code: "PRIVILEGE_MISSING", says: "lacks RELOAD, PROCESS", advises: grant });
    await mariadb.run(grant.replace(/;$/, ""));
    await place.succeed(...BACKUP);
  });
});

describe("a tool", () => {
  it("of another version is refused with both versions", async () => {
    await mkdir(place.file("stub"));
    await writeFile(place.file("stub/mariadb-backup"), "#!/bin/sh\necho 'mariadb-backup based on MariaDB server 10.6.5-MariaDB Linux (x86_64)'\n", { mode: 0o755 });
    const env = { PATH: `${place.file("stub")}:${process.env["PATH"] ?? ""}` };
    await place.refuse({ args: BACKUP, exit: 11, code: "TOOL_VERSION", says: /mariadb-backup \(mariadb 10\.6\.5\) does not fit the server \(mariadb \d+\.\d+\.\d+\)/, advises: /Install mariadb-backup \d/, env });
  });

  it("that is not on PATH is refused with the package that brings it", async () => {
    await mkdir(place.file("bare"));
    for (const name of BARE) {
      const { stdout } = await runTool({ file: "sh", args: ["-c", `command -v ${name}`] });
      await symlink(stdout.trim(), place.file(`bare/${name}`));
    }
    const env = { PATH: place.file("bare") };
    await place.refuse({ args: BACKUP, exit: 11, code: "TOOL_MISSING", says: "The program mariadb-backup was not found on this machine.", advises: "apt-get install mariadb-backup", env });
  });
});

describe("a restore", () => {
  const restoreTo = (...target: readonly string[]): string[] => ["restore", "run", "shop", "--backup", backupId, ...target];

  it("into a directory that holds something is refused and the directory left as it is", async () => {
    await mkdir(place.file("taken"));
    await place.write("taken/mine", "mine");
    await place.refuse({ args: restoreTo("--target-dir", "taken"), exit: 5, code: "TARGET_NOT_EMPTY", says: `${place.file("taken")} is not empty (it holds mine); nothing was changed.`, advises: "Name an empty or new directory" });
  });

  it("into an SQL file that exists is refused", async () => {
    await place.write("orders.sql", "mine");
    await place.refuse({ args: restoreTo("--table", "shop.orders", "--sql", "orders.sql"), exit: 5, code: "TARGET_NOT_EMPTY", says: `${place.file("orders.sql")} already exists; nothing was changed.`, advises: "Name a file that does not exist" });
  });

  it("to the future, or to before the first backup, is refused with what can be reached", async () => {
    const refuseTime = (to: string, says: string): Promise<void> => place.refuse({ args: ["restore", "plan", "shop", "--to", to], exit: 8, code: "OUT_OF_COVERAGE", says: new RegExp(`${says}.*shop can be restored to an instant from`), advises: "holdfast log coverage" });
    await refuseTime("2099-01-01 10:00:00", "lies in the future");
    await refuseTime("2020-01-01 10:00:00", "lies before the first backup");
  });

  it("without the identity is told where it should be", async () => {
    await rename(place.file("daily.key"), place.file("safe.key"));
    await place.refuse({ args: restoreTo("--target-dir", "new"), exit: 16, code: "KEY_MISSING", says: `The identity file ${place.file("daily.key")} does not exist.`, advises: /keys\.identities.*escrow identity/ });
  });

  it("with the identity of others is told so, and with the escrow identity it is done", async () => {
    await place.succeed("key", "generate", "daily.key");
    await place.refuse({ args: restoreTo("--target-dir", "new"), exit: 16, code: "KEY_WRONG", says: "None of the identities in keys.identities (1) opens", advises: /keys\.identities.*escrow identity.*holdfast key check/ });
    await rm(place.file("daily.key"));
    await copyFile(place.file("escrow.key"), place.file("daily.key"));
    expect((await place.succeed(...restoreTo("--target-dir", "new"))).stdout).toContain(`Restored to ${place.file("new")}`);
    await rm(place.file("daily.key"));
    await rename(place.file("safe.key"), place.file("daily.key"));
  });
});

describe("a command while holdfast up runs", () => {
  /** Times, and how far the server has come, differ from one look to the next. */
  const steady = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replace(/"\d{4}-\d\d-\d\dT[^"]*"/g, '"time"').replace(/"(sizeBytes|approximateRows|gtid_binlog_pos)":(?:\d+|"[^"]*")/g, '"$1":0').replace(/\d+(?:\.\d+)? (?:ms|s|min)(?: \d+ s)? (?:old|ago)/g, "some time")) as unknown;

  it("gives the same as one that works alone", async () => {
    await configure((yaml) => yaml.replace("logs: { shipEvery: 1s }", "logs: { enabled: false }"));
    const commands = [["backup", "list"], ["instance", "show", "shop"], ["instance", "list"], ["backup", "show", backupId], ["doctor"], ["instance", "probe", "shop"]];
    const look = async (): Promise<unknown[]> => {
      const seen: unknown[] = [];
      for (const command of commands) seen.push(steady(await place.json(...command)));
      return seen;
    };
    const alone = await look();
    const up = await place.startUp();
    expect(await look()).toEqual(alone);
    expect(JSON.stringify(await place.json("status"))).toContain('"shop"');
    const ran = (await place.json("backup", "run", "shop", "--kind", "full")) as { backup: { backupId: string } };
    expect(JSON.stringify(await place.json("backup", "list"))).toContain(ran.backup.backupId);
    await up.kill9();
    const again = await place.startUp();
    expect(JSON.stringify(await place.json("backup", "list"))).toContain(ran.backup.backupId);
    await again.stop();
    await place.succeed("backup", "verify", ran.backup.backupId);
  });
});

describe("a database that goes away", () => {
  it("is told by its socket", async () => {
    expect(dirname(mariadb.socket)).toBe(mariadb.rootDir);
    await mariadb.kill9();
    await place.refuse({ args: BACKUP, exit: 10, code: "DATABASE_UNREACHABLE", says: `The database server at ${mariadb.socket} cannot be reached`, advises: "that the server runs" });
  });
});
