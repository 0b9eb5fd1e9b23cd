import { z } from "zod";
import { queryInteger } from "./query.ts";

/** Entries of a page unless the caller says how many. */
export const USUAL_PAGE = 200;
export const LARGEST_PAGE = 1_000;

/** What every list takes. */
export const pageInput = {
  limit: queryInteger({ min: 1, max: LARGEST_PAGE }).optional().describe(`At most so many; ${String(USUAL_PAGE)} unless told.`),
  cursor: z.string().max(300).optional().describe("The `next` of the page before, with the same other words; the first page without it."),
};

/** What every list gives beside its entries. What is added meanwhile moves no entry from one page to another. */
export const pageOutput = { next: z.string().nullable().default(null).describe("The `cursor` of the page that follows; null on the last one.") };

/** What a caller sends for a page, and gets. */
export interface PageAsked {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

const cursorSchema = z.tuple([z.string(), z.string()]);

/** A place in a list, as text that means nothing to callers. */
export function cursorAfter(list: string, key: string): string {
  return Buffer.from(JSON.stringify([list, key])).toString("base64url");
}

/** The key behind which that place lies; null when this list gave no such cursor. */
export function readCursor(list: string, cursor: string): string | null {
  try {
    const [of, key] = cursorSchema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
    return of === list ? key : null;
  } catch {
    return null;
  }
}
