import { HoldfastError } from "../lib/errors.ts";

/**
 * MariaDB's global transaction ids: `domain-server-sequence`. A list (`0-1-42,1-3-7`) names the last transaction of
 * each domain. Sequences pass 2^53, so they are bigint. Within one domain, order is the order of sequences.
 */
export interface GtidPosition {
  readonly domain: number;
  readonly server: number;
  readonly sequence: bigint;
}

/** The last transaction of each domain. */
export type GtidState = ReadonlyMap<number, GtidPosition>;

const GTID_PATTERN = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/;

/** Throws INPUT_INVALID for anything but `domain-server-sequence`. */
export function parseGtid(text: string): GtidPosition {
  const match = GTID_PATTERN.exec(text.trim());
  const [, domain, server, sequence] = match ?? [];
  if (domain === undefined || server === undefined || sequence === undefined) {
    throw new HoldfastError("INPUT_INVALID", `"${text}" is not a GTID.`, { hint: "Write domain-server-sequence, for example 0-1-42." });
  }
  return { domain: Number(domain), server: Number(server), sequence: BigInt(sequence) };
}

export function formatGtid(gtid: GtidPosition): string {
  return `${String(gtid.domain)}-${String(gtid.server)}-${String(gtid.sequence)}`;
}

/** Reads a list as the server writes it; an empty text is the empty state. Of a domain named twice the last one counts. */
export function parseGtidList(text: string): GtidState {
  if (text.trim() === "") return new Map();
  return gtidState(text.split(",").map((part) => parseGtid(part)));
}

/** The state after these transactions in this order. */
export function gtidState(gtids: Iterable<GtidPosition>): GtidState {
  const state = new Map<number, GtidPosition>();
  for (const gtid of gtids) state.set(gtid.domain, gtid);
  return state;
}

/** Sorted by domain, so that equal states are equal texts. */
export function formatGtidState(state: GtidState): string {
  return [...state.values()]
    .sort((a, b) => a.domain - b.domain)
    .map((gtid) => formatGtid(gtid))
    .join(",");
}

/**
 * True when a server in state `list` has the transaction: its domain is there and has come at least as far. Servers
 * are not compared, as a domain has one order whoever wrote to it.
 */
export function includesGtid(list: string | GtidState, gtid: string | GtidPosition): boolean {
  const state = typeof list === "string" ? parseGtidList(list) : list;
  const wanted = typeof gtid === "string" ? parseGtid(gtid) : gtid;
  const reached = state.get(wanted.domain);
  return reached !== undefined && reached.sequence >= wanted.sequence;
}

/** How two states stand to each other; `apart` when each has something that the other lacks. */
export function compareGtidLists(a: string, b: string): "equal" | "before" | "after" | "apart" {
  const left = parseGtidList(a);
  const right = parseGtidList(b);
  const leftHasAll = [...right.values()].every((gtid) => includesGtid(left, gtid));
  const rightHasAll = [...left.values()].every((gtid) => includesGtid(right, gtid));
  if (leftHasAll && rightHasAll) return "equal";
  if (leftHasAll) return "after";
  return rightHasAll ? "before" : "apart";
}
