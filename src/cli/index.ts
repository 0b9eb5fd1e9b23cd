import type { Command } from "./command.ts";
import { agentDrainCommand } from "./commands/agent-drain.ts";
import { agentInviteCommand } from "./commands/agent-invite.ts";
import { agentJoinCommand } from "./commands/agent-join.ts";
import { agentListCommand } from "./commands/agent-list.ts";
import { agentRevokeCommand } from "./commands/agent-revoke.ts";
import { agentRotateCommand } from "./commands/agent-rotate.ts";
import { agentRunCommand } from "./commands/agent-run.ts";
import { applyCommand } from "./commands/apply.ts";
import { backupHoldCommand } from "./commands/backup-hold.ts";
import { backupListCommand } from "./commands/backup-list.ts";
import { backupReleaseCommand } from "./commands/backup-release.ts";
import { backupResealCommand } from "./commands/backup-reseal.ts";
import { backupRunCommand } from "./commands/backup-run.ts";
import { backupShowCommand } from "./commands/backup-show.ts";
import { backupVerifyCommand } from "./commands/backup-verify.ts";
import { catalogRebuildCommand } from "./commands/catalog-rebuild.ts";
import { completionCommand } from "./commands/completion.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { findCommand } from "./commands/find.ts";
import { exportCommand } from "./commands/export.ts";
import { findingListCommand } from "./commands/finding-list.ts";
import { gatewayCommand } from "./commands/gateway.ts";
import { instanceListCommand } from "./commands/instance-list.ts";
import { instanceProbeCommand } from "./commands/instance-probe.ts";
import { instanceShowCommand } from "./commands/instance-show.ts";
import { jobCancelCommand } from "./commands/job-cancel.ts";
import { jobListCommand } from "./commands/job-list.ts";
import { jobRetryCommand } from "./commands/job-retry.ts";
import { jobShowCommand } from "./commands/job-show.ts";
import { jobWatchCommand } from "./commands/job-watch.ts";
import { keyCeremonyCommand } from "./commands/key-ceremony.ts";
import { keyCheckCommand } from "./commands/key-check.ts";
import { keyFromPaperCommand } from "./commands/key-from-paper.ts";
import { keyGenerateCommand } from "./commands/key-generate.ts";
import { keyholderCommand } from "./commands/keyholder.ts";
import { keyLogCommand } from "./commands/key-log.ts";
import { keyOrganisationCommand } from "./commands/key-organisation.ts";
import { keyRotateCommand } from "./commands/key-rotate.ts";
import { keySignRecipientsCommand } from "./commands/key-sign-recipients.ts";
import { logCoverageCommand } from "./commands/log-coverage.ts";
import { recoverCommand } from "./commands/recover.ts";
import { repositoryCheckCommand } from "./commands/repository-check.ts";
import { restorePlanCommand } from "./commands/restore-plan.ts";
import { restoreRunCommand } from "./commands/restore-run.ts";
import { serverCommand } from "./commands/server.ts";
import { statusCommand } from "./commands/status.ts";
import { thawCommand } from "./commands/thaw.ts";
import { tokenCreateCommand } from "./commands/token-create.ts";
import { tokenListCommand } from "./commands/token-list.ts";
import { tokenRevokeCommand } from "./commands/token-revoke.ts";
import { upCommand } from "./commands/up.ts";

/** Every command, in the order of the help. To add one: write its file, add it here. */
export const commands: readonly Command[] = [
  upCommand,
  gatewayCommand,
  serverCommand,
  keyholderCommand,
  demoCommand,
  statusCommand,
  doctorCommand,
  applyCommand,
  instanceListCommand,
  instanceShowCommand,
  instanceProbeCommand,
  backupRunCommand,
  backupListCommand,
  backupShowCommand,
  backupVerifyCommand,
  backupResealCommand,
  backupHoldCommand,
  backupReleaseCommand,
  restorePlanCommand,
  restoreRunCommand,
  jobListCommand,
  jobShowCommand,
  jobWatchCommand,
  jobCancelCommand,
  jobRetryCommand,
  findCommand,
  logCoverageCommand,
  findingListCommand,
  repositoryCheckCommand,
  keyGenerateCommand,
  keyCeremonyCommand,
  keyFromPaperCommand,
  keyCheckCommand,
  keyRotateCommand,
  keyOrganisationCommand,
  keySignRecipientsCommand,
  keyLogCommand,
  catalogRebuildCommand,
  recoverCommand,
  thawCommand,
  exportCommand,
  agentRunCommand,
  agentJoinCommand,
  agentRotateCommand,
  agentInviteCommand,
  agentListCommand,
  agentDrainCommand,
  agentRevokeCommand,
  tokenCreateCommand,
  tokenListCommand,
  tokenRevokeCommand,
  completionCommand(() => commands),
];
