import type { Progress } from "../model/job.ts";
import type { JobPorts } from "./ports.ts";

const WINDOW_MS = 5_000;

interface Sample {
  readonly atMs: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

/** Turns byte counts into rates over the last seconds and a time left. */
export class ProgressMeter {
  readonly #ports: Pick<JobPorts, "progress" | "clock">;
  readonly #totalBytes: number | null;
  #samples: Sample[] = [];

  constructor(ports: Pick<JobPorts, "progress" | "clock">, totalBytes: number | null) {
    this.#ports = ports;
    this.#totalBytes = totalBytes;
  }

  /** `inBytes` are plain bytes, `outBytes` stored ones, both counted from the start. */
  update(phase: string, inBytes: number, outBytes: number, more: Pick<Partial<Progress>, "message" | "spoolBytes"> = {}): void {
    this.#ports.progress({ ...this.#measure(phase, inBytes, outBytes), ...more });
  }

  #measure(phase: string, inBytes: number, outBytes: number): Progress {
    const atMs = this.#ports.clock.monotonicMs();
    this.#samples = [...this.#samples.filter((sample) => atMs - sample.atMs <= WINDOW_MS), { atMs, inBytes, outBytes }];
    const first = this.#samples[0] ?? { atMs, inBytes, outBytes };
    const elapsedS = Math.max((atMs - first.atMs) / 1_000, 0.001);
    const rateIn = elapsedS < 0.2 ? 0 : (inBytes - first.inBytes) / elapsedS;
    const leftBytes = this.#totalBytes === null ? null : Math.max(this.#totalBytes - inBytes, 0);
    return {
      phase,
      doneBytes: inBytes,
      totalBytes: this.#totalBytes,
      rateInBytesPerS: Math.max(rateIn, 0),
      rateOutBytesPerS: elapsedS < 0.2 ? 0 : Math.max((outBytes - first.outBytes) / elapsedS, 0),
      etaMs: leftBytes === null || rateIn <= 0 ? null : (leftBytes / rateIn) * 1_000,
      message: "",
    };
  }
}

/** A step without bytes to count. */
export function phaseProgress(phase: string, message = ""): Progress {
  return { phase, doneBytes: 0, totalBytes: null, rateInBytesPerS: 0, rateOutBytesPerS: 0, etaMs: null, message };
}
