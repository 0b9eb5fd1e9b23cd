import type { IndexedFile } from "../../model/backup-index.ts";

/** Endings of files that are a table, or a part or definition of one, in every storage engine that is built in. */
const TABLE_FILE = /\.(?:ibd|frm|par|MYD|MYI|MAD|MAI|TRG|TRN|CSV|CSM|ARZ|MRG)$|(?:^|\/)db\.opt$/;
const SYSTEM_TABLESPACE = /^(?:\.\/)?(?:ibdata\d+|undo\d+)$/;
/** `X.ibd.delta`: pages to apply on `X.ibd`. Its `.meta` says nothing more. */
const DELTA = /^(.*)\.delta$/;

type StreamFile = Pick<IndexedFile, "path" | "marker">;

/**
 * The table files and tablespaces that a prepared directory must hold, from the index of the chain's last backup: every
 * incremental names each tablespace (as `.delta` where it existed before) and holds all other files whole.
 * DDL during the backup leaves markers that prepare resolves: `X.del` (X.ibd is gone), `X.ren` (its content is the new
 * name; swaps occur) and `X.new` (a whole tablespace made meanwhile).
 */
export function expectedFiles(files: readonly StreamFile[]): string[] {
  const names = files.map((file) => file.path.replace(/^\.\//, ""));
  const kept = new Set(names.map((name) => DELTA.exec(name)?.[1] ?? name).filter((name) => TABLE_FILE.test(name) || SYSTEM_TABLESPACE.test(name)));
  for (const name of names) if (name.endsWith(".del")) kept.delete(tablespaceOf(name));
  const arrived: string[] = [];
  // All old names go before any new one comes: two tables may have swapped theirs.
  for (const file of files) {
    const renamed = file.path.endsWith(".ren") ? newName(file) : null;
    if (renamed !== null && kept.delete(tablespaceOf(file.path.replace(/^\.\//, "")))) arrived.push(renamed);
  }
  for (const name of arrived) kept.add(name);
  for (const name of names) if (name.replace(/\.(?:delta|meta)$/, "").endsWith(".new")) kept.add(tablespaceOf(name.replace(/\.(?:delta|meta)$/, "")));
  return [...kept].sort();
}

/** `d/t.del`, `d/t.ren` and `d/t.new` all speak of `d/t.ibd`. */
function tablespaceOf(markerPath: string): string {
  return markerPath.replace(/\.(?:del|ren|new)$/, ".ibd");
}

function newName(file: StreamFile): string | null {
  const name = (file.marker ?? "").trim().replace(/^\.\//, "");
  if (name === "") return null;
  return name.endsWith(".ibd") ? name : `${name}.ibd`;
}

/** A sentence for every expected file that is not there, sorted. */
export function missingFiles(expected: readonly string[], present: ReadonlySet<string>): string[] {
  return expected.filter((name) => !present.has(name)).map((name) => `The prepared directory lacks ${name}, which the backup's index names.`);
}
