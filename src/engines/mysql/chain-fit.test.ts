import { describe, expect, it } from "vitest";
import type { BackupFacts } from "../../model/manifest.ts";
import { type ChainLink, requireChain } from "./chain-fit.ts";
import { parseCheckpoints } from "./checkpoint-file.ts";

interface Shape {
  readonly from: number;
  readonly to: number;
  readonly last?: number;
  readonly type?: string;
  readonly facts?: Partial<BackupFacts>;
}

let made = 0;
function link({ from, to, last = to, type, facts = {} }: Shape): ChainLink {
  made += 1;
  const backupType = type ?? (from === 0 ? "full-backuped" : "incremental");
  const all: BackupFacts = { flavour: "mariadb", serverVersion: "10.11.19", toolVersion: "10.11.19", dataIdentity: "one", fromLsn: String(from), toLsn: String(to), logPosition: null, recordedPosition: null, fileCount: 1, ...facts };
  return {
    unpacked: { dir: `/d${String(made)}`, kind: backupType === "incremental" ? "incremental" : "full", facts: all },
    checkpoints: { backupType, fromLsn: BigInt(from), toLsn: BigInt(to), lastLsn: BigInt(last) },
  };
}

const at = (file: string, position: number): Pick<BackupFacts, "logPosition"> => ({ logPosition: { file, position, gtid: "" } });

describe("a chain", () => {
  it("that joins is accepted, whatever its length", () => {
    expect(() => requireChain([link({ from: 0, to: 10 })])).not.toThrow();
    expect(() => requireChain([link({ from: 0, to: 10, facts: at("b.000001", 9) }), link({ from: 10, to: 10, last: 20, facts: at("b.000002", 4) }), link({ from: 10, to: 30 })])).not.toThrow();
  });

  it.each<[string, ChainLink[]]>([
    ["given", []],
    ["begins with the incremental", [link({ from: 10, to: 20 })]],
    ["prepared before", [link({ from: 0, to: 10, type: "log-applied" })]],
    ["begins at LSN 11", [link({ from: 0, to: 10 }), link({ from: 11, to: 20 })]],
    ["taken before", [link({ from: 0, to: 10, last: 50 }), link({ from: 10, to: 10, last: 40 })]],
    ["other data", [link({ from: 0, to: 10 }), link({ from: 10, to: 20, facts: { dataIdentity: "two" } })]],
    ["manifest says", [link({ from: 0, to: 10, facts: { toLsn: "9" } })]],
    ["of the log, before", [link({ from: 0, to: 10, facts: at("b.000002", 9) }), link({ from: 10, to: 20, facts: at("b.000001", 700) })]],
    ["where an incremental belongs", [link({ from: 0, to: 10 }), link({ from: 0, to: 10 })]],
  ])("is refused when: %s", (words, links) => {
    expect(() => {
      requireChain(links);
    }).toThrow(expect.objectContaining({ code: "CHAIN_BROKEN", message: expect.stringContaining(words) as string }));
  });

  it("is refused when one directory stands in it twice", () => {
    const twice = link({ from: 10, to: 10 });
    expect(() => {
      requireChain([link({ from: 0, to: 10 }), twice, twice]);
    }).toThrow("twice");
  });

  it("compares no log places of different numberings", () => {
    expect(() => requireChain([link({ from: 0, to: 10, facts: at("a.000009", 9) }), link({ from: 10, to: 20, facts: at("b.000001", 4) })])).not.toThrow();
  });
});

describe("a checkpoint file", () => {
  it("is read with numbers beyond 2^53, and refused when one is missing", () => {
    const text = "backup_type = incremental\nfrom_lsn = 9007199254740993\nto_lsn = 9007199254740995\nlast_lsn = 9007199254740997\n";
    expect(parseCheckpoints(text, "f")).toEqual({ backupType: "incremental", fromLsn: 9007199254740993n, toLsn: 9007199254740995n, lastLsn: 9007199254740997n });
    expect(() => parseCheckpoints("backup_type = incremental\nfrom_lsn = x\n", "f")).toThrow("f has no from_lsn");
  });
});
