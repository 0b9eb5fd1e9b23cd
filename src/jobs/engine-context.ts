import type { EngineContext } from "../engines/engine.ts";
import type { JobPorts } from "./ports.ts";

/** What an engine sees of a job. */
export function engineContext(ports: JobPorts): EngineContext {
  const { instance } = ports.order;
  return {
    instance: { id: instance.id, name: instance.name },
    connection: instance.connection === null ? null : ports.engine.options.parse(instance.connection),
    scratchDir: ports.scratchDir,
    sandboxUser: ports.sandboxUser,
    log: ports.log,
  };
}
