import { describe, expect, it } from "vitest";
import { optionFileText } from "./option-file.ts";
import { prepareMemoryBytes } from "./prepare.ts";
import { unprivilegedAccount } from "./sandbox-account.ts";
import { backupConfig, bufferPoolBytes, sandboxConfig } from "./sandbox-config.ts";
import { carriedSettings } from "./sandbox-settings.ts";

const GIB = 1024 ** 3;
const PLACES = { tmpDir: "/s/tmp", pluginDir: "/s/plugin", filesDir: "/s/files", relayDir: "/s/relay" };

describe("a sandbox's configuration", () => {
  it("takes what the data files need from backup-my.cnf, and none of the source's places", () => {
    const text = "# made by a tool\n[mysqld]\ninnodb_page_size=8192\ninnodb_data_file_path=/prod/ibdata1:12M;/prod/b/ibdata2:5M:autoextend\ninnodb_undo_directory=/prod/undo\ninnodb_log_file_size=68719476736\nplugin_load=evil.so\n";
    expect(backupConfig(text)).toEqual({
      innodb_page_size: "8192",
      innodb_data_file_path: "ibdata1:12M;ibdata2:5M:autoextend",
      innodb_undo_directory: "./",
      innodb_log_file_size: "536870912",
      innodb_data_home_dir: "",
      innodb_log_group_home_dir: "./",
    });
  });

  it("cannot be opened to the world by the source's own variables", () => {
    const carried = { event_scheduler: "ON", skip_slave_start: "OFF", plugin_dir: "/prod", lower_case_table_names: "1" };
    const config = sandboxConfig(PLACES, carried, 7, GIB);
    expect(config).toMatchObject({ event_scheduler: "OFF", skip_slave_start: true, plugin_dir: "/s/plugin", lower_case_table_names: "1", secure_file_priv: "/s/files" });
    expect(carriedSettings({ ...carried, sql_mode: "" })).toEqual({ lower_case_table_names: "1", sql_mode: "" });
  });

  it("sizes memory from what is free, within bounds", () => {
    expect([bufferPoolBytes(0), bufferPoolBytes(4 * GIB), bufferPoolBytes(900 * GIB)]).toEqual([GIB / 8, GIB, 4 * GIB]);
    expect([prepareMemoryBytes(0), prepareMemoryBytes(5 * GIB), prepareMemoryBytes(900 * GIB)]).toEqual([GIB / 8, 2 * GIB, 4 * GIB]);
  });

  it("is written so that blanks, quotes and number signs stay what they are", () => {
    expect(optionFileText({ mysqld: { datadir: '/a b#"c\\', skip_networking: true } })).toBe('[mysqld]\ndatadir="/a b#\\"c\\\\"\nskip_networking\n');
  });
});

describe("the account of sandboxes", () => {
  it("is mysql, else nobody, and never root", () => {
    const nobody = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
    expect(unprivilegedAccount(nobody)).toEqual({ user: "nobody", uid: 65534, gid: 65533 });
    expect(unprivilegedAccount(`${nobody}mysql:x:101:102::/:/bin/false\n`)).toEqual({ user: "mysql", uid: 101, gid: 102 });
    expect(unprivilegedAccount("mysql:x:0:0::/:/bin/sh\n")).toBeUndefined();
  });
});
