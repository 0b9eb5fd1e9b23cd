import { z } from "zod";
import { agentSchema } from "../agent.ts";
import { backupRefSchema, backupSchema, coverageGapSchema, coverageIntervalSchema, coverageSchema, segmentRefSchema } from "../backup.ts";
import { readObjectSchema } from "../check.ts";
import { foundChangeSchema } from "../find-changes.ts";
import { signedGrantSchema } from "../grant.ts";
import { instanceSchema, probeReportSchema } from "../instance.ts";
import { attemptSchema, jobSchema, orderSchema, outcomeSchema, pieceReportSchema, progressSchema } from "../job.ts";
import { changedTableSchema, logGroupSchema } from "../log-groups.ts";
import { backupFactsSchema, logSegmentSchema, manifestSchema, storedPartSchema } from "../manifest.ts";
import { logPositionSchema } from "../position.ts";
import { restoreGoalSchema, restorePlanSchema, restoreResultSchema, restoreTargetSchema } from "../restore.ts";
import { errorRecordSchema, idSchema, isoTimeSchema, nameSchema, sha256Schema } from "../scalars.ts";
import { tokenSchema } from "../token.ts";
import { checkResultSchema, findingSchema, phaseSchema, verificationReportSchema } from "../verification.ts";
import { instanceSummarySchema } from "./instances.ts";
import { configChangeSchema, diagnosisSchema, repositorySummarySchema } from "./system.ts";

/** What has a name of its own in the OpenAPI document; whatever else a route speaks of stands where it is used. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  Agent: agentSchema,
  Attempt: attemptSchema,
  Backup: backupSchema,
  BackupFacts: backupFactsSchema,
  BackupRef: backupRefSchema,
  ChangedTable: changedTableSchema,
  CheckResult: checkResultSchema,
  ConfigChange: configChangeSchema,
  Coverage: coverageSchema,
  CoverageGap: coverageGapSchema,
  CoverageInterval: coverageIntervalSchema,
  Diagnosis: diagnosisSchema,
  ErrorRecord: errorRecordSchema,
  Finding: findingSchema,
  FoundChange: foundChangeSchema,
  Id: idSchema,
  Instance: instanceSchema,
  InstanceSummary: instanceSummarySchema,
  Instant: isoTimeSchema,
  Job: jobSchema,
  LogGroup: logGroupSchema,
  LogPosition: logPositionSchema,
  LogSegment: logSegmentSchema,
  Manifest: manifestSchema,
  Name: nameSchema,
  Order: orderSchema,
  Outcome: outcomeSchema,
  Phase: phaseSchema,
  PieceReport: pieceReportSchema,
  ProbeReport: probeReportSchema,
  Progress: progressSchema,
  ReadObject: readObjectSchema,
  RepositorySummary: repositorySummarySchema,
  RestoreGoal: restoreGoalSchema,
  RestorePlan: restorePlanSchema,
  RestoreResult: restoreResultSchema,
  RestoreTarget: restoreTargetSchema,
  SegmentRef: segmentRefSchema,
  Sha256: sha256Schema,
  SignedGrant: signedGrantSchema,
  StoredPart: storedPartSchema,
  Token: tokenSchema,
  VerificationReport: verificationReportSchema,
};

/** Names beside the descriptions that schemas carry themselves. */
class NamesOf extends z.core.$ZodRegistry<{ id?: string | undefined }> {
  readonly #ids: ReadonlyMap<z.core.$ZodType, string>;

  constructor(named: Readonly<Record<string, z.ZodType>>) {
    super();
    this.#ids = new Map(Object.entries(named).map(([id, schema]) => [schema, id]));
  }

  override get(schema: z.core.$ZodType): { id?: string | undefined } | undefined {
    const own = z.globalRegistry.get(schema);
    const id = this.#ids.get(schema);
    return id === undefined ? own : { ...own, id };
  }
}

export const schemaNames: z.core.$ZodRegistry<{ id?: string | undefined }> = new NamesOf(NAMED);
