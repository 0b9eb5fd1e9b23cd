import type { IndexedFile } from "../../../model/backup-index.ts";

/**
 * Which files of a chain are needed for a few tables. Names are as files have them: MariaDB encodes every character of
 * an identifier but letters, digits and `_` (`tab@0020with`), so that `/`, `.` and `#` in a path are never part of one.
 */

/** A table by the names of its files. */
export interface TableFileName {
  readonly dir: string;
  readonly base: string;
}

/** A file of one backup of the chain, and the name it is to be written under. */
export interface SelectedFile {
  readonly file: IndexedFile;
  readonly path: string;
}

/** What is taken of each backup, in the order of the chain. */
export type ChainSelection = readonly (readonly SelectedFile[])[];

type Files = readonly IndexedFile[];

/** Only names of these places on the source, which a server would follow. */
const FOREIGN_PLACE = /\.isl$/;
const MARKER = /\.(?:ren|del)$/;
/** `X.ibd`, `X.ibd.delta` and `X.ibd.meta`; the same of `X.new`, which is the whole of a tablespace made meanwhile. */
const TABLESPACE = /^(.+)\.(ibd|new)(\.delta|\.meta)?$/;
const OWN_SCHEMAS = new Set(["mysql", "sys", "performance_schema"]);

const clean = (path: string): string => path.replace(/^(?:\.\/+)+/, "");
const dirOf = (path: string): string => path.slice(0, Math.max(0, path.indexOf("/")));

/**
 * The files without which a server does not start or does not know its tables: everything outside schemas (system
 * tablespace, undo, redo, Aria's log, the tool's own notes), the server's own schemas, and what every schema says of itself.
 */
export function serverFiles(chain: readonly Files[]): ChainSelection {
  return chain.map((files) => written(files).filter(({ path }) => !path.includes("/") || OWN_SCHEMAS.has(dirOf(path)) || path.endsWith("/db.opt")));
}

/**
 * The files of these tables. Definitions and tables of engines that keep no pages come from the last backup, where they
 * are whole; tablespaces are followed down the chain by their id, never by name, because DDL changes names in between.
 * `hiddenTables` are the starts of paths of InnoDB's auxiliary tables (full-text indexes).
 */
export function tableFiles(chain: readonly Files[], tables: readonly TableFileName[], hiddenTables: readonly string[] = []): ChainSelection {
  const writtenFiles = chain.map(written);
  const last = writtenFiles.at(-1) ?? [];
  const isOfTable = ownerTest(tables, hiddenTables);
  const chosen = chain.map((): SelectedFile[] => []);
  chosen.at(-1)?.push(...last.filter(({ path }) => TABLESPACE.exec(path) === null && (isOfTable(path) || isTriggerName(path, tables))));
  let wanted = tablespacesOf(last.filter(({ path }) => isOfTable(path)));
  for (let at = chain.length - 1; at >= 0; at -= 1) {
    const found = (writtenFiles[at] ?? []).filter(({ path }) => TABLESPACE.exec(path) !== null && wanted.has(spaceName(path)));
    chosen[at]?.push(...found);
    const below = writtenFiles[at - 1];
    if (below !== undefined) wanted = sameSpaces(tablespacesOf(found), tablespacesOf(below));
  }
  return chosen;
}

/** True when a path belongs to one of the tables: `d/t.*`, a partition `d/t#P#…`, or a hidden table. */
function ownerTest(tables: readonly TableFileName[], hiddenTables: readonly string[]): (path: string) => boolean {
  const bases = new Set(tables.map(({ dir, base }) => `${dir}/${base}`));
  return (path) => bases.has(path.replace(/[.#].*$/s, "")) || hiddenTables.some((start) => path.startsWith(start));
}

/** The file of a trigger names its table inside, so all of a schema are taken: they are tiny. */
function isTriggerName(path: string, tables: readonly TableFileName[]): boolean {
  return path.endsWith(".TRN") && tables.some(({ dir }) => dir === dirOf(path));
}

/** `d/t` of `d/t.ibd`, `d/t.new`, `d/t.ibd.delta` and `d/t.ibd.meta`. */
function spaceName(path: string): string {
  return TABLESPACE.exec(path)?.[1] ?? path;
}

/** Tablespaces by name, with their ids; a tablespace that was made during the backup may not tell its id. */
function tablespacesOf(files: readonly SelectedFile[]): Map<string, number | null> {
  const spaces = new Map<string, number | null>();
  for (const { file, path } of files) {
    if (TABLESPACE.exec(path) === null) continue;
    spaces.set(spaceName(path), file.spaceId ?? spaces.get(spaceName(path)) ?? null);
  }
  return spaces;
}

/** Of the backup below, the tablespaces with the same ids under whatever name; without an id only the name is left to go by. */
function sameSpaces(wanted: ReadonlyMap<string, number | null>, below: ReadonlyMap<string, number | null>): Map<string, number | null> {
  const ids = new Set([...wanted.values()].filter((id) => id !== null));
  return new Map([...below].filter(([name, id]) => (id === null ? wanted.has(name) : ids.has(id))));
}

/**
 * A backup's files under the names they have after the DDL that ran while it was taken: the tool notes that in markers
 * (`X.ren` holds the new name of X, `X.del` says that X is gone, `X.new` is to be taken instead of X), which are
 * resolved here and not written. All old names go before any new one comes, as two tables may have swapped theirs.
 */
export function written(files: Files): SelectedFile[] {
  const names = new Map(files.map((file) => [clean(file.path), file]));
  const gone = new Set<string>();
  const renamed = new Map<string, string>();
  for (const [path, { marker }] of names) {
    const target = clean((marker ?? "").trim()).replace(/\.ibd$/, "");
    if (path.endsWith(".del")) gone.add(path.replace(/\.del$/, ""));
    else if (path.endsWith(".ren") && target !== "") renamed.set(path.replace(/\.ren$/, ""), target);
  }
  const made = new Set([...names.keys()].map((path) => TABLESPACE.exec(path)).filter((match) => match?.[2] === "new").map((match) => match?.[1] ?? ""));
  const selected: SelectedFile[] = [];
  for (const [path, file] of names) {
    if (MARKER.test(path) || FOREIGN_PLACE.test(path)) continue;
    const [, name, kind, suffix] = TABLESPACE.exec(path) ?? [];
    if (name === undefined || kind === "new") selected.push({ file, path });
    else if (!gone.has(name)) {
      const now = renamed.get(name) ?? name;
      if (!made.has(now)) selected.push({ file, path: `${now}.ibd${suffix ?? ""}` });
    }
  }
  return selected;
}
