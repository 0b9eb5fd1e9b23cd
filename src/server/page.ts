import { HoldfastError } from "../lib/errors.ts";
import { cursorAfter, type PageAsked, readCursor, USUAL_PAGE } from "../model/api/page.ts";

export interface ListReader<Entry> {
  /** At most `limit` entries in the list's order, from the one behind `after` on. */
  read(place: { after: string | undefined; limit: number }): Promise<Entry[]>;
  /** By which the list is ordered; no two entries share it. */
  keyOf(entry: Entry): string;
}

/** One page of a list and the cursor of the next. INPUT_INVALID for a cursor that another list gave, or nobody. */
export async function readPage<Entry>(list: { readonly name: string }, { limit = USUAL_PAGE, cursor }: PageAsked, reader: ListReader<Entry>): Promise<{ entries: Entry[]; next: string | null }> {
  const after = cursor === undefined ? undefined : readCursor(list.name, cursor);
  if (after === null) throw new HoldfastError("INPUT_INVALID", `Not accepted: cursor: ${JSON.stringify(cursor)} was not given by ${list.name}.`, { hint: "Send the `next` of the page before, or none." });
  const found = await reader.read({ after, limit: limit + 1 });
  const entries = found.slice(0, limit);
  const last = entries.at(-1);
  return { entries, next: found.length > limit && last !== undefined ? cursorAfter(list.name, reader.keyOf(last)) : null };
}
