import { describe, expect, it } from "vitest";
import { digestOf, normalDefinition } from "./definitions.ts";

const table = (create: string): string => digestOf(normalDefinition({ Table: "t", "Create Table": create }));
const event = (create: string): string => digestOf(normalDefinition({ Event: "e", "Create Event": create }));

describe("the digest of a definition", () => {
  it("does not see the next AUTO_INCREMENT value, but sees everything else", () => {
    const plain = "CREATE TABLE `t` (\n  `id` int(11) COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=1'\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
    expect(table(plain.replace(") ENGINE=InnoDB DEFAULT", ") ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT"))).toBe(table(plain));
    expect(table(plain.replace("int(11)", "int(12)"))).not.toBe(table(plain));
    expect(table(plain.replace("AUTO_INCREMENT=1'", "AUTO_INCREMENT=2'"))).not.toBe(table(plain));
    expect(table(plain.replace("utf8mb4", "latin1"))).not.toBe(table(plain));
  });

  it("does not see where a table's file lies", () => {
    const plain = "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB";
    expect(table(`${plain} DATA DIRECTORY='/da''ta/x'`)).toBe(table(plain));
  });

  it("does not see whether an event is switched on, but sees its body and comment", () => {
    const plain = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ENABLE' DO SET @a = 1";
    for (const state of ["DISABLE", "DISABLE ON SLAVE"]) expect(event(plain.replace("PRESERVE ENABLE", `PRESERVE ${state}`))).toBe(event(plain));
    expect(event(plain.replace("'ENABLE'", "'DISABLE'"))).not.toBe(event(plain));
    expect(event(plain.replace("@a = 1", "@a = 2"))).not.toBe(event(plain));
  });
});
