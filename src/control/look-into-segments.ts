import { isReplacing, replacingSegments } from "../catalog/replaced-tails.ts";
import { getPiece } from "../catalog/segments.ts";
import type { OpenLogIndex } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";

/**
 * Opens the list of transactions of every segment whose replaced tails are still there, once in the life of a process:
 * what the server can see of a segment that is of no use is seen while its tails can come back, and not first by whoever
 * restores. `openLogIndex` brings them back itself (`watchedLogIndex`). Throws, after all, what a repository throws that
 * does not answer; then these segments are looked into again.
 */
export function lookIntoSegments({ catalog, segmentsToLookInto }: Pick<ControlPorts, "catalog" | "segmentsToLookInto">, openLogIndex: OpenLogIndex): () => Promise<void> {
  let isFirst = true;
  return async () => {
    // Those of processes before; a commit of this one adds its segment, so that no pass has to search all tails for it.
    if (isFirst) for (const segmentId of await replacingSegments(catalog.db)) segmentsToLookInto.add(segmentId);
    isFirst = false;
    const failed: unknown[] = [];
    for (const segmentId of segmentsToLookInto) {
      try {
        const ref = await getPiece(catalog.db, segmentId);
        // Where the tails are gone by now, nothing could come back.
        if (ref !== null && (await isReplacing(catalog.db, segmentId))) await openLogIndex(ref);
      } catch (error) {
        if ((await getPiece(catalog.db, segmentId)) !== null) {
          failed.push(error);
          continue;
        }
        // The tails came back, and the finding tells of it.
      }
      segmentsToLookInto.delete(segmentId);
    }
    if (failed.length > 0) throw failed[0];
  };
}
