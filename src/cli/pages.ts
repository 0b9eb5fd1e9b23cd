import { LARGEST_PAGE, type PageAsked } from "../model/api/page.ts";
import { wholeNumber } from "./options.ts";

/** One would rather ask for a part. */
const MOST = 100_000;

/** Reads `--limit` of a list. */
export function listLimit(value: unknown): number {
  return wholeNumber("--limit", value, { min: 1, max: MOST });
}

/** One page of an answer; `Name` is what it calls the entries. */
type Page<Name extends string, Entry> = Readonly<Record<Name, readonly Entry[]>> & { readonly next: string | null };

/** Every entry of a list, or the first `limit`, asked for page after page. */
export async function allPages<Name extends string, Entry>(name: Name, ask: (page: PageAsked) => Promise<Page<Name, Entry>>, limit = Infinity): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let cursor: string | null | undefined; cursor !== null && found.length < limit; ) {
    const page: Page<Name, Entry> = await ask({ limit: Math.min(LARGEST_PAGE, limit - found.length), ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page[name]);
    cursor = page.next;
  }
  return found;
}
