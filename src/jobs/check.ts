import { createHash } from "node:crypto";
import type { z } from "zod";
import { isHoldfastError } from "../lib/errors.ts";
import type { checkFindingSchema, CheckOrder, Report } from "../model/job.ts";
import type { JobPorts } from "./ports.ts";
import { ProgressMeter } from "./progress-meter.ts";

type Problem = z.infer<typeof checkFindingSchema>;
type Expected = CheckOrder["objects"][number];

/** Reads every object that the order names and compares size and hash. Goes on after a problem: one night, whole list. */
export async function runCheck(ports: JobPorts, order: CheckOrder): Promise<Report> {
  const meter = new ProgressMeter(ports, order.objects.reduce((sum, object) => sum + object.sizeBytes, 0));
  const problems: Problem[] = [];
  let checkedBytes = 0;
  for (const object of order.objects) {
    ports.signal.throwIfAborted();
    const problem = await checkObject(ports, object);
    if (problem !== null) problems.push(problem);
    checkedBytes += object.sizeBytes;
    meter.update("checking", checkedBytes, checkedBytes, { message: object.key });
  }
  return { kind: "check", checkedObjects: order.objects.length, checkedBytes, problems };
}

async function checkObject(ports: JobPorts, expected: Expected): Promise<Problem | null> {
  const problem = (kind: Problem["problem"], detail: string): Problem => ({ key: expected.key, owner: expected.owner, problem: kind, detail });
  try {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const chunk of await ports.get(expected.key)) {
      hash.update(chunk as Uint8Array);
      sizeBytes += (chunk as Uint8Array).byteLength;
    }
    if (sizeBytes !== expected.sizeBytes) return problem("size", `it has ${String(sizeBytes)} bytes, not ${String(expected.sizeBytes)}`);
    const sha256 = hash.digest("hex");
    return sha256 === expected.sha256 ? null : problem("hash", `its SHA-256 is ${sha256}, not ${expected.sha256}`);
  } catch (error) {
    ports.signal.throwIfAborted();
    if (isHoldfastError(error, "LEASE_LOST")) throw error;
    if (isHoldfastError(error, "OBJECT_NOT_FOUND")) return problem("missing", "it is not in the repository");
    ports.log.warn({ key: expected.key, err: error }, "object could not be read");
    return problem("unreadable", error instanceof Error ? error.message : String(error));
  }
}
