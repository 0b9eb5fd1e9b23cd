export { type AgentOptions, runAgent } from "./agent.ts";
export { UploadPace } from "./upload-pace.ts";
