import type { Kysely } from "kysely";
import { first } from "./0001-first.ts";
import { checks } from "./0002-checks.ts";
import { lockedObjects } from "./0003-locked-objects.ts";
import { tokens } from "./0004-tokens.ts";
import { agents } from "./0005-agents.ts";
import { resealed } from "./0006-resealed.ts";
import { givenAnswers } from "./0007-given-answers.ts";
import { events } from "./0008-events.ts";
import { replacedTails } from "./0009-replaced-tails.ts";

/** One step of the catalog's form. A migration that was released is never edited: the next one mends it. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  up(db: Kysely<unknown>): Promise<void>;
}

/** In order, numbered from 1 without a hole. To add one: write its file, add it here. */
export const migrations: readonly Migration[] = [first, checks, lockedObjects, tokens, agents, resealed, givenAnswers, events, replacedTails];
