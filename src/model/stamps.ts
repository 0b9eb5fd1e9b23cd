import type { LogGroup } from "./log-groups.ts";
import type { LogSegment } from "./manifest.ts";

/** Seconds by which a stamp may lie after its arrival before it is called wrong: two clocks are never quite equal. */
const CLOCK_TOLERANCE_S = 2;
/** From so many groups on, a majority of stamps after their arrival means that the database's clock runs ahead. */
const MAJORITY_OF = 8;

export interface StampJudge {
  believes(group: LogGroup): boolean;
  /** Seconds by which the database's clock runs ahead at least, 0 when it does not. */
  readonly clockAheadS: number;
}

/**
 * A stamp that lies after the moment its event had reached us was set by hand (`SET TIMESTAMP`), and says nothing. But
 * when most stamps of a segment do so, it is the database's clock that runs ahead: ignoring them all would let a
 * restore run past every instant, so then they are believed.
 */
export function stampJudge(segment: LogSegment, groups: readonly LogGroup[]): StampJudge {
  const leads = groups.map((group) => group.stampS - arrivalS(segment, group)).filter((lead) => lead > CLOCK_TOLERANCE_S);
  const isClock = groups.length >= MAJORITY_OF && leads.length * 2 > groups.length;
  const median = leads.sort((a, b) => a - b)[Math.floor(leads.length / 2)] ?? 0;
  if (isClock) return { believes: (group) => group.stampS - arrivalS(segment, group) <= median + CLOCK_TOLERANCE_S, clockAheadS: median };
  return { believes: (group) => group.stampS - arrivalS(segment, group) <= CLOCK_TOLERANCE_S, clockAheadS: 0 };
}

/** The second in which the server of Holdfast had received the group; infinity when that was not recorded. */
function arrivalS(segment: LogSegment, group: LogGroup): number {
  const arrival = segment.arrivals.find((candidate) => candidate.endPosition >= group.end);
  return arrival === undefined ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(arrival.at) / 1_000);
}
