import type { Phase } from "../model/verification.ts";
import type { JobPorts } from "./ports.ts";
import { phaseProgress } from "./progress-meter.ts";

/** Measures the steps of a job: what expected restore times are made of. */
export class Phases {
  readonly list: Phase[] = [];
  readonly #ports: Pick<JobPorts, "progress" | "clock" | "log">;

  constructor(ports: Pick<JobPorts, "progress" | "clock" | "log">) {
    this.#ports = ports;
  }

  /** Runs one step; `bytes` is what it worked through, for a rate. A step that throws is not counted. */
  async run<T>(name: string, bytes: number, step: () => Promise<T>): Promise<T> {
    this.#ports.progress(phaseProgress(name));
    this.#ports.log.info({ phase: name }, "phase begins");
    const startMs = this.#ports.clock.monotonicMs();
    const result = await step();
    // Whole milliseconds: signed documents hold them, and not every tool writes fractions alike.
    const durationMs = Math.round(this.#ports.clock.monotonicMs() - startMs);
    this.list.push({ name, durationMs, bytes });
    this.#ports.log.info({ phase: name, durationMs, bytes }, "phase ended");
    return result;
  }

  totalMs(names?: readonly string[]): number {
    return this.list.filter((phase) => names?.includes(phase.name) ?? true).reduce((sum, phase) => sum + phase.durationMs, 0);
  }
}
