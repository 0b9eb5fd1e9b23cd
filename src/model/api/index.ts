import { agentRoutes } from "./agent.ts";
import { agentsRoutes } from "./agents.ts";
import { backupRoutes } from "./backups.ts";
import { eventRoutes } from "./events.ts";
import { findRoutes } from "./finds.ts";
import { instanceRoutes } from "./instances.ts";
import { jobRoutes } from "./jobs.ts";
import { restoreRoutes } from "./restores.ts";
import { systemRoutes } from "./system.ts";
import { tokenRoutes } from "./tokens.ts";

/** Every route of the API, by noun. To add a noun: write its file, add it here. */
export const api = {
  agent: agentRoutes,
  agents: agentsRoutes,
  backups: backupRoutes,
  events: eventRoutes,
  finds: findRoutes,
  instances: instanceRoutes,
  jobs: jobRoutes,
  restores: restoreRoutes,
  system: systemRoutes,
  tokens: tokenRoutes,
};
