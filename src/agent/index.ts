export { type AgentOptions, runAgent } from "./agent.ts";
export { admitOrder, type Pins } from "./admit.ts";
export { apiKnocks, OWN_POOLS } from "./api-knocks.ts";
