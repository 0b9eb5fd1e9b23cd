export { type AgentOptions, runAgent } from "./agent.ts";
export { admitHooks, admitOrder, type Pins } from "./admit.ts";
export type { AgentBuffers } from "./space.ts";
export { permitListed, permitSigned, type SeenLists } from "./recipient-pins.ts";
export type { HookCommand } from "./run-hook.ts";
export { apiKnocks, OWN_POOLS } from "./api-knocks.ts";
