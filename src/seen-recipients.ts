import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SeenLists } from "./agent/index.ts";
import { HoldfastError } from "./lib/errors.ts";
import { replaceFile } from "./lib/replace-file.ts";

const seenSchema = z.strictObject({ organisationKey: z.string(), serial: z.number().int().positive(), sha256: z.string() });

/** Keeps in the state directory which signed list of recipients was seen last. CONFIG_INVALID when it cannot be read: forgotten it would let an older one in. */
export function seenRecipients(stateDir: string): SeenLists {
  const path = join(stateDir, "keys", "recipients-seen.json");
  return {
    read: async () => {
      const text = await readFile(path, "utf8").catch((cause: unknown) => {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw new HoldfastError("CONFIG_INVALID", `${path} cannot be read: ${(cause as Error).message}.`, { cause });
      });
      return text === null ? null : parse(path, text);
    },
    write: (seen) => replaceFile(path, `${JSON.stringify(seen)}\n`),
  };
}

function parse(path: string, text: string): z.infer<typeof seenSchema> {
  try {
    return seenSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `${path} does not say which list of recipients was seen last.`, { cause, hint: "If nobody has altered the machine, remove it: the next order's list is then taken for the newest." });
  }
}
