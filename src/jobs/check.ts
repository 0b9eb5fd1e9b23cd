import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { isHoldfastError } from "../lib/errors.ts";
import { Pace } from "../lib/pace.ts";
import type { ExpectedObject, ReadObject } from "../model/check.ts";
import type { CheckOrder, Report } from "../model/job.ts";
import { locateDamage } from "../pack/locate-damage.ts";
import type { JobPorts } from "./ports.ts";
import { ProgressMeter } from "./progress-meter.ts";

/** What was read is reported at one of these at the latest: so much is read again when the check is cut short. */
const REPORT_EVERY_MS = 2_000;
const REPORT_OBJECTS = 100;
const REPORT_BYTES = 64 * 1024 ** 2;

type Found = ReadObject["found"];

/**
 * Reads every object that the order names, no faster than it allows, and compares size and hash. What was read is
 * reported on the way, so that a check which is cut short goes on behind it. A problem does not end it: one night, whole list.
 */
export async function runCheck(ports: JobPorts, order: CheckOrder): Promise<Report> {
  const { before, objects } = order;
  const meter = new ProgressMeter(ports, objects.reduce((sum, object) => sum + object.sizeBytes, before.bytes));
  const pace = order.rateBytesPerS === null ? null : new Pace(order.rateBytesPerS, ports.clock);
  const reading = new Reading(ports, pace);
  const goesOn = before.objects > 0 ? `goes on behind ${String(before.objects)} objects that were read before` : "";
  let doneBytes = before.bytes;
  meter.update("checking", doneBytes, doneBytes, { message: goesOn });
  try {
    for (const object of objects) {
      ports.signal.throwIfAborted();
      await reading.look(object);
      doneBytes += object.sizeBytes;
      meter.update("checking", doneBytes, doneBytes, { message: object.key });
    }
  } catch (error) {
    // What was read before it was stopped need not be read again; whoever does not take that any more has the error's reason.
    await reading.report().catch((cause: unknown) => {
      ports.log.warn({ err: cause }, "what was read last is not kept");
    });
    throw error;
  }
  await reading.report();
  return { kind: "check" };
}

class Reading {
  readonly #ports: JobPorts;
  readonly #pace: Pace | null;
  #unreported: ReadObject[] = [];
  #reportedAtMs: number;

  constructor(ports: JobPorts, pace: Pace | null) {
    this.#ports = ports;
    this.#pace = pace;
    this.#reportedAtMs = ports.clock.monotonicMs();
  }

  async look(expected: ExpectedObject): Promise<void> {
    const progress = { readBytes: 0 };
    const found = await this.#compare(expected, progress);
    this.#unreported.push({ key: expected.key, owner: expected.owner, readBytes: progress.readBytes, found });
    const bytes = this.#unreported.reduce((sum, object) => sum + object.readBytes, 0);
    const isDue = this.#ports.clock.monotonicMs() - this.#reportedAtMs >= REPORT_EVERY_MS;
    // Damage is told at once: a restore that is planned meanwhile must not be built on it.
    if (isDue || found !== null || bytes >= REPORT_BYTES || this.#unreported.length >= REPORT_OBJECTS) await this.report();
  }

  async report(): Promise<void> {
    const objects = this.#unreported;
    this.#unreported = [];
    this.#reportedAtMs = this.#ports.clock.monotonicMs();
    if (objects.length > 0) await this.#ports.reportRead(objects);
  }

  async #compare(expected: ExpectedObject, progress: { readBytes: number }): Promise<Found> {
    try {
      const hash = createHash("sha256");
      for await (const chunk of this.#paced(await this.#ports.get(expected.key))) {
        hash.update(chunk);
        progress.readBytes += chunk.byteLength;
      }
      const sha256 = hash.digest("hex");
      if (progress.readBytes === expected.sizeBytes && sha256 === expected.sha256) return null;
      const problem = progress.readBytes === expected.sizeBytes ? "hash" : "size";
      const what = problem === "hash" ? `its SHA-256 is ${sha256}, not ${expected.sha256}` : sizeDetail(progress.readBytes, expected.sizeBytes);
      return { problem, detail: [what, ...(await this.#place(expected))].join("; "), sha256 };
    } catch (error) {
      this.#ports.signal.throwIfAborted();
      if (isHoldfastError(error, "LEASE_LOST")) throw error;
      if (isHoldfastError(error, "OBJECT_NOT_FOUND")) return { problem: "missing", detail: "it is not in the repository" };
      this.#ports.log.warn({ key: expected.key, err: error }, "object could not be read");
      return { problem: "unreadable", detail: `byte ${String(progress.readBytes)} of ${String(expected.sizeBytes)} cannot be read: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  /** Where a sealed object is altered, as far as its key tells; documents are looked into by the server. */
  async #place({ key, sizeBytes }: ExpectedObject): Promise<string[]> {
    if (!key.endsWith(".age")) return [];
    try {
      const place = await locateDamage({ name: key, sizeBytes }, await this.#ports.get(key), (_name, header) => this.#ports.openHeader(key, header));
      return [place ?? "all of it opens, so it was sealed whole, but it is not this object"];
    } catch (error) {
      this.#ports.signal.throwIfAborted();
      this.#ports.log.warn({ key, err: error }, "the damage cannot be placed");
      return [];
    }
  }

  #paced(source: Readable): AsyncIterable<Uint8Array> {
    return this.#pace === null ? (source as AsyncIterable<Uint8Array>) : this.#pace.paced(source as AsyncIterable<Uint8Array>, this.#ports.signal);
  }
}

function sizeDetail(foundBytes: number, expectedBytes: number): string {
  const what = foundBytes < expectedBytes ? `everything from byte ${String(foundBytes)} on is missing` : `the ${String(foundBytes - expectedBytes)} bytes from byte ${String(expectedBytes)} on do not belong to it`;
  return `it has ${String(foundBytes)} bytes, not ${String(expectedBytes)}: ${what}`;
}
