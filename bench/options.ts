import { parseArgs } from "node:util";
import { LAYOUTS, type Layout } from "./database.ts";

export interface BenchOptions {
  readonly sizeBytes: number;
  /** Alternating pairs of the shell's way and Holdfast's. */
  readonly pairs: number;
  /** Bytes of a stand-in stream for the memory run; null leaves it out. */
  readonly standInBytes: number | null;
  /** Folder for server, repository and restored files; about four times the size must be free. */
  readonly dir: string | null;
  readonly peers: boolean;
  /** Bytes of ciphertext for the uploads to S3; null leaves them out. */
  readonly uploadBytes: number | null;
  readonly layout: Layout;
}

const UNITS: Readonly<Record<string, number>> = { MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** Options of `npm run bench`; throws for what it does not know. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: "string", default: "1GiB" },
      pairs: { type: "string", default: "9" },
      "stand-in": { type: "string" },
      upload: { type: "string" },
      dir: { type: "string" },
      peers: { type: "boolean", default: false },
      layout: { type: "string", default: "tables" },
    },
  });
  const { "stand-in": standIn, upload } = values;
  const pairs = Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 0) throw new Error(`--pairs ${values.pairs} is not a number of pairs`);
  const layout = LAYOUTS.find((known) => known === values.layout);
  if (layout === undefined) throw new Error(`--layout ${values.layout} is none of ${LAYOUTS.join(", ")}`);
  return {
    sizeBytes: byteCount(values.size),
    pairs,
    standInBytes: standIn === undefined ? null : byteCount(standIn),
    uploadBytes: upload === undefined ? null : byteCount(upload),
    dir: values.dir ?? null,
    peers: values.peers,
    layout,
  };
}

function byteCount(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(MiB|GiB|TiB)$/.exec(text);
  const unit = UNITS[found?.[2] ?? ""];
  if (found === null || unit === undefined) throw new Error(`"${text}" is not a size like 512MiB or 1GiB`);
  return Math.round(Number(found[1]) * unit);
}
