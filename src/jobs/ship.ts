import { createHash } from "node:crypto";
import type { LogPiece } from "../engines/engine.ts";
import type { PieceReport, Report, ShipOrder } from "../model/job.ts";
import type { LogGroupIndex } from "../model/log-groups.ts";
import { sealBytes } from "../pack/seal.ts";
import { engineContext } from "./engine-context.ts";
import type { JobPorts } from "./ports.ts";
import { phaseProgress } from "./progress-meter.ts";

/** Ships the log, piece by piece, until it is told to stop. A piece counts once the server has committed it. */
export async function runShip(ports: JobPorts, order: ShipOrder): Promise<Report> {
  const request = {
    shipEveryMs: order.shipEveryMs,
    mergeBytes: order.mergeBytes,
    shipped: order.shipped,
    startAt: order.startAt,
    dataIdentity: order.dataIdentity,
  };
  let shippedBytes = 0;
  ports.progress(phaseProgress("following"));
  for await (const piece of ports.engine.followLog(engineContext(ports), request, ports.signal)) {
    const segmentId = await shipPiece(ports, order, piece);
    piece.committed(segmentId);
    shippedBytes += piece.bytes.byteLength;
    ports.progress({ ...phaseProgress("following", `${piece.file}:${String(piece.endPosition)}`), doneBytes: shippedBytes });
  }
  return { kind: "ship" };
}

async function shipPiece(ports: JobPorts, order: ShipOrder, piece: LogPiece): Promise<string> {
  const segmentId = ports.newId();
  const { recipients, metadataRecipient, compressionLevel } = order.sealing;
  const data = await sealBytes(piece.bytes, { name: `${segmentId}.zst.age`, recipients, compressionLevel });
  const groups: LogGroupIndex = { formatVersion: 1, file: piece.file, groups: piece.groups };
  const index = await sealBytes(Buffer.from(JSON.stringify(groups), "utf8"), {
    name: `${segmentId}.index.zst.age`,
    recipients: [...recipients, metadataRecipient],
    compressionLevel,
  });
  await ports.put({ ...data.part, chunks: data.chunks });
  await ports.put({ ...index.part, chunks: index.chunks });
  const place = { segmentId, file: piece.file, endPosition: piece.endPosition };
  ports.log.debug(place, "piece of log is stored");
  await ports.reportPiece(describe(piece, { segmentId, object: data.part, index: index.part }));
  ports.log.debug(place, "piece of log is committed");
  return segmentId;
}

function describe(piece: LogPiece, stored: Pick<PieceReport, "segmentId" | "object" | "index">): PieceReport {
  const stamps = piece.groups.map((group) => group.stampS);
  return {
    ...stored,
    kind: piece.kind,
    file: piece.file,
    startPosition: piece.startPosition,
    endPosition: piece.endPosition,
    closesFile: piece.closesFile,
    plainSha256: createHash("sha256").update(piece.bytes).digest("hex"),
    groupCount: piece.groups.length,
    firstStampS: stamps.length === 0 ? null : stamps.reduce((low, stamp) => Math.min(low, stamp)),
    lastStampS: stamps.length === 0 ? null : stamps.reduce((high, stamp) => Math.max(high, stamp)),
    gtidBefore: piece.gtidBefore,
    gtidAfter: piece.gtidAfter,
    replaces: piece.replaces,
    dataIdentity: piece.dataIdentity,
  };
}
