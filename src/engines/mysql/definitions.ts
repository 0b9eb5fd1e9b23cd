import { createHash } from "node:crypto";
import type { Row } from "./connect.ts";

/**
 * What two servers must agree on: the answer of SHOW CREATE without what is data (the next AUTO_INCREMENT value), place
 * (DATA DIRECTORY), age (`Created`) or state (an event's ENABLE), none of which a restore has to bring back the same.
 */
export function normalDefinition(row: Row): string {
  const columns = Object.entries(row).filter(([name]) => name !== "Created" && name !== "Grantee");
  return columns.map(([name, value]) => `${name}=${value === null ? "NULL" : normalText(value)}`).join("\n");
}

function normalText(text: string): string {
  return text
    .replace(/^(\) ENGINE=\S+) AUTO_INCREMENT=\d+/m, "$1")
    .replace(/ (?:DATA|INDEX) DIRECTORY='(?:[^'\\]|\\.|'')*'/g, "")
    .replace(/( ON COMPLETION (?:NOT )?PRESERVE) (?:ENABLE|DISABLE(?: ON SLAVE)?)/, "$1");
}

/** SHA-256 in hex of a normalised definition. */
export function digestOf(definition: string): string {
  return createHash("sha256").update(definition, "utf8").digest("hex");
}
