import { replacingSegments } from "../catalog/replaced-tails.ts";
import { getPiece } from "../catalog/segments.ts";
import type { OpenLogIndex } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";

/**
 * Opens the list of transactions of every segment whose replaced tails are still there, once in the life of a process:
 * what the server can see of a segment that is of no use is seen while its tails can come back, and not first by whoever
 * restores. `openLogIndex` brings them back itself (`watchedLogIndex`). Throws, after all, what a repository throws that
 * does not answer; then these segments are looked into again.
 */
export function lookIntoSegments({ catalog }: Pick<ControlPorts, "catalog">, openLogIndex: OpenLogIndex): () => Promise<void> {
  let seen = new Set<string>();
  return async () => {
    const replacing = await replacingSegments(catalog.db);
    const open = replacing.filter((segmentId) => !seen.has(segmentId));
    seen = new Set(replacing.filter((segmentId) => seen.has(segmentId)));
    const failed: unknown[] = [];
    for (const segmentId of open) {
      const ref = await getPiece(catalog.db, segmentId);
      if (ref === null) continue;
      try {
        await openLogIndex(ref);
        seen.add(segmentId);
      } catch (error) {
        // Where the tails came back the segment is none any more, and the finding tells of it.
        if ((await getPiece(catalog.db, segmentId)) !== null) failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  };
}
