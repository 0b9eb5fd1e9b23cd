import { inTransaction } from "../catalog/open-catalog.ts";
import { getPiece } from "../catalog/segments.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { OpenLogIndex } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";
import { blamedSegments, bringTailsBack, doubtSegments } from "./replaced-tails.ts";

/**
 * Opens lists of groups, and brings the tails back that a segment has replaced whose list cannot be opened: a plan that
 * failed at it can be made again.
 */
export function watchedLogIndex(ports: ControlPorts, open: OpenLogIndex): OpenLogIndex {
  return async (ref) => {
    try {
      return await open(ref);
    } catch (error) {
      if (!isHoldfastError(error) || blamedSegments([ref], error).length === 0) throw error;
      const { segmentId } = ref.segment;
      await inTransaction(ports.catalog.db, (db) => doubtSegments(ports, db, [segmentId], `its list of transactions cannot be opened: ${error.message}`));
      await bringTailsBack(ports);
      if ((await getPiece(ports.catalog.db, segmentId)) !== null) throw error;
      throw new HoldfastError(error.code, `${error.message} The tails that this segment had replaced are the log again.`, { cause: error, hint: "Ask again; then read `holdfast finding list`." });
    }
  };
}
