import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { type Damage, isDamagedBackup, isDamagedSegment } from "./damage.ts";
import { formatPosition } from "./position.ts";
import { chooseRestore, type RestoreChoice, type RestoreQuestion } from "./restore-plan.ts";
import type { PassedOver, RestoreGoal } from "./restore.ts";

export type SoundChoice = RestoreChoice & {
  /** What would have been used if it were whole. */
  readonly passedOver: PassedOver[];
};

/**
 * Decides like `chooseRestore`, but builds nothing on what is known to be damaged in storage: another chain or other
 * pieces of log are taken when they reach exactly the same state, and `passedOver` says what was avoided. Where there is
 * no other way it refuses with OBJECT_DAMAGED, naming the objects: a restore that silently ends somewhere else would be
 * worse than none.
 */
export async function chooseSoundRestore(question: RestoreQuestion, damage: Damage): Promise<SoundChoice> {
  if (damage.size === 0) return { ...(await chooseRestore(question)), passedOver: [] };
  const usual = await usualChoice(question, damage);
  if (usual.choice !== null && usual.hit.length === 0) return { ...usual.choice, passedOver: [] };
  const sound = await tryChoice({
    ...question,
    backups: question.backups.filter((backup) => !isDamagedBackup(damage, backup)),
    segments: question.segments.filter((segment) => !isDamagedSegment(damage, segment)),
  });
  if ("choice" in sound && reachesSame(question, usual.choice, sound.choice)) {
    return { ...sound.choice, warnings: [...sound.choice.warnings, passedOverWarning(usual.hit, sound.choice)], passedOver: usual.hit };
  }
  throw refusal(question, usual.hit, sound);
}

interface Usual {
  /** Null when it could not be made because an index in the way cannot be read. */
  readonly choice: RestoreChoice | null;
  /** What of it is damaged. */
  readonly hit: PassedOver[];
}

/** What would be done if nothing were damaged. What it throws has nothing to do with damage. */
async function usualChoice(question: RestoreQuestion, damage: Damage): Promise<Usual> {
  const unread: string[] = [];
  const loadGroups: RestoreQuestion["loadGroups"] = async (segment) => {
    try {
      return await question.loadGroups(segment);
    } catch (error) {
      if (isDamagedSegment(damage, segment)) unread.push(`segment:${segment.segmentId}`);
      throw error;
    }
  };
  const tried = await tryChoice({ ...question, loadGroups });
  if ("choice" in tried) return { choice: tried.choice, hit: hitsOf(subjectsOf(tried.choice), damage) };
  if (unread.length === 0) throw tried.error;
  return { choice: null, hit: hitsOf(unread, damage) };
}

async function tryChoice(question: RestoreQuestion): Promise<{ choice: RestoreChoice } | { error: unknown }> {
  try {
    return { choice: await chooseRestore(question) };
  } catch (error) {
    return { error };
  }
}

function subjectsOf({ chain, segments }: RestoreChoice): string[] {
  return [...chain.map(({ backupId }) => `backup:${backupId}`), ...segments.map(({ segmentId }) => `segment:${segmentId}`)];
}

function hitsOf(subjects: readonly string[], damage: Damage): PassedOver[] {
  return subjects.flatMap((subject) => {
    const message = damage.get(subject);
    return message === undefined ? [] : [{ subject, message }];
  });
}

/** The same place in the same lineage of the log; without a place only the same backup is the same state. */
function reachesSame(question: RestoreQuestion, usual: RestoreChoice | null, sound: RestoreChoice): boolean {
  const lineage = sound.chain.at(-1)?.timeline;
  if (usual !== null) {
    if (usual.stop === null || sound.stop === null) return usual.stop === sound.stop && usual.chain.at(-1)?.backupId === sound.chain.at(-1)?.backupId;
    return formatPosition(usual.stop) === formatPosition(sound.stop) && usual.chain.at(-1)?.timeline === lineage;
  }
  // Nobody can tell what the unreadable part would have said: only a place that is found for certain will do.
  const newest = [...question.backups, ...question.segments].map(({ timeline }) => timeline).sort().at(-1);
  return lineage === newest && isCertain(question.goal, sound);
}

function isCertain(goal: RestoreGoal, { stop }: RestoreChoice): boolean {
  if (goal.kind === "gtid" || goal.kind === "position") return stop !== null;
  return goal.kind === "time" && stop !== null && stop.nextGroup !== null;
}

function passedOverWarning(hit: readonly PassedOver[], { chain, start }: RestoreChoice): string {
  const tip = chain.at(-1);
  const way = start === null ? "" : ` and replays the log from ${formatPosition(start)}`;
  return `Passed over because of known damage: ${hit.map(({ message }) => message).join(" ")} This restore builds on ${tip?.kind ?? "backup"} ${tip?.backupId ?? ""}${way} instead.`;
}

function refusal({ instance, goal }: RestoreQuestion, hit: readonly PassedOver[], sound: { choice: RestoreChoice } | { error: unknown }): HoldfastError {
  const what = hit.map(({ message }) => message).join(" ");
  const why = "error" in sound && isHoldfastError(sound.error) ? ` Without it: ${sound.error.message}` : "";
  return new HoldfastError("OBJECT_DAMAGED", `${instance.name} cannot be restored to ${goalWords(goal)}: ${what} No other chain and log that are stored reach the same state.${why}`, {
    hint: `${alternative(instance.name, sound)}If the object can be mended (from a copy or a snapshot of the repository), put it back and run \`holdfast repository check\`: the damage is forgotten once the object was read whole.`,
    details: { damaged: hit.map(({ subject }) => subject) },
    ...("error" in sound ? { cause: sound.error } : {}),
  });
}

/** The nearest that can be had: the person decides, not the plan. */
function alternative(instance: string, sound: { choice: RestoreChoice } | { error: unknown }): string {
  if ("error" in sound) {
    return isHoldfastError(sound.error, "GAP") ? "Restore to an instant before the damage, or pass --allow-gap and accept that what lies in it is lost. " : "Restore to an instant that other backups reach. ";
  }
  const { stop, chain } = sound.choice;
  const tip = chain.at(-1)?.backupId ?? "";
  return stop === null ? `What can be reached without it: \`holdfast restore plan ${instance} --backup ${tip}\`. ` : `What can be reached without it: \`holdfast restore plan ${instance} --position ${formatPosition(stop)}\`. `;
}

function goalWords(goal: RestoreGoal): string {
  switch (goal.kind) {
    case "latest":
      return "the end of its log";
    case "time":
      return goal.at;
    case "gtid":
      return `GTID ${goal.gtid}`;
    case "position":
      return formatPosition(goal);
    case "backup":
      return `backup ${goal.backupId}`;
  }
}
