import type { Implementation } from "../implement.ts";
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

/** Every route with the code behind it. To add a noun: write its file, add it here. */
export const routes: readonly Implementation[] = [...agentRoutes, ...agentsRoutes, ...backupRoutes, ...eventRoutes, ...findRoutes, ...instanceRoutes, ...jobRoutes, ...restoreRoutes, ...systemRoutes, ...tokenRoutes];
