import { monotonicFactory } from "ulid";

/** Makes ids: ULIDs that never go back within one process, so that sorting by id is sorting by age. */
export type NewId = () => string;

export function idFactory(): NewId {
  const next = monotonicFactory();
  return () => next();
}

/** What an id looks like; used to refuse anything else before it becomes part of a path. */
export const ID_PATTERN = /^[0-9A-HJKMNP-TV-Z]{26}$/;
