import { LARGEST_PAGE } from "../model/api/page.ts";

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly next: string | null;
}

/** Every entry of a list, or the first `limit`, asked for page after page. */
export async function allPages<Entry>(ask: (page: { limit: number; cursor?: string }) => Promise<Page<Entry>>, limit = Infinity): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let cursor: string | null | undefined; cursor !== null && found.length < limit; ) {
    const page: Page<Entry> = await ask({ limit: Math.min(LARGEST_PAGE, limit - found.length), ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.entries);
    cursor = page.next;
  }
  return found;
}
