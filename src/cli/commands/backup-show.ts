import { formatBytes, formatDuration } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import { formatPosition } from "../../model/position.ts";
import { backupTable } from "../backup-text.ts";
import type { Command } from "../command.ts";

export const backupShowCommand: Command = {
  name: "backup show",
  summary: "One backup: its chain, positions, packs, holds and verification reports.",
  arguments: [{ name: "backup", description: "backup id" }],
  run: async (context, { backup: backupId = "" }) => {
    const shown = await (await context.client()).call(api.backups.show, { backupId }, context.signal);
    const { backup, manifest, chain, reports } = shown;
    const { facts } = manifest;
    const lines = [
      `Chain, oldest first\n${backupTable(chain, context.columns)}`,
      [
        `${facts.flavour} ${facts.serverVersion}, taken with ${facts.toolVersion}`,
        `LSN ${facts.fromLsn} to ${facts.toLsn}`,
        `log goes on at ${facts.logPosition === null ? "(no log)" : `${formatPosition(facts.logPosition)}, GTID ${facts.logPosition.gtid}`}`,
        `${String(facts.fileCount)} files in ${String(manifest.packs.length)} packs, ${formatBytes(backup.storedBytes)} stored in ${backup.repository}`,
        ...(manifest.resealed === undefined ? [] : [`resealed from ${manifest.resealed.from} at ${manifest.resealed.at}`]),
        `readable by ${manifest.recipients.join(", ")}`,
        ...backup.holds.map((hold) => `held by ${hold.by} since ${hold.at}: ${hold.reason}`),
      ].join("\n"),
      reports.length === 0
        ? `Never verified; run \`holdfast backup verify ${backupId}\`.`
        : reports.map((report) => `${report.endedAt} ${report.tier} ${report.status}, restored in ${formatDuration(report.restoreMs)} (report ${report.verificationId})`).join("\n"),
    ];
    context.output.result(shown, lines.join("\n\n"));
  },
};
