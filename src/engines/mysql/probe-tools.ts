import { isHoldfastError } from "../../lib/errors.ts";
import type { ProbeNote } from "../../model/instance.ts";
import { findTool, requireMatch, TOOL_NAMES, toolFile } from "./tools.ts";
import type { Version } from "./versions.ts";

/** Version of mariadb-backup, and a note for every program that is missing or does not fit the server. */
export async function probeTools(server: Version): Promise<{ toolVersion: string | null; notes: ProbeNote[] }> {
  const notes: ProbeNote[] = [];
  let toolVersion: string | null = null;
  try {
    const tool = await findTool("mariadb-backup");
    toolVersion = tool.version?.text ?? null;
    requireMatch(tool, server);
  } catch (error) {
    notes.push(noteOf(error, "error"));
  }
  for (const name of TOOL_NAMES.filter((tool) => tool !== "mariadb-backup")) {
    // Backups go on without these; restores and verifications here do not.
    await toolFile(name).catch((error: unknown) => notes.push(noteOf(error, "warning")));
  }
  return { toolVersion, notes };
}

function noteOf(error: unknown, level: "error" | "warning"): ProbeNote {
  if (!isHoldfastError(error)) throw error;
  return { level, code: error.code.toLowerCase().replaceAll("_", "-"), message: error.message, remedy: error.hint };
}
