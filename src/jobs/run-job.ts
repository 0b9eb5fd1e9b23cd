import type { Report } from "../model/job.ts";
import { runBackup } from "./backup.ts";
import { runCheck } from "./check.ts";
import type { JobPorts } from "./ports.ts";
import { runProbe } from "./probe.ts";
import { runReseal } from "./reseal.ts";
import { runRestore } from "./restore.ts";
import { runShip } from "./ship.ts";
import { runVerify } from "./verify.ts";

/** Does the work of one attempt and gives what is to be reported. To add a kind of job: write its file, add its line. */
export function runJob(ports: JobPorts): Promise<Report> {
  const { work } = ports.order;
  switch (work.kind) {
    case "backup":
      return runBackup(ports, work);
    case "ship":
      return runShip(ports, work);
    case "restore":
      return runRestore(ports, work);
    case "verify":
      return runVerify(ports, work);
    case "probe":
      return runProbe(ports, work);
    case "check":
      return runCheck(ports, work);
    case "reseal":
      return runReseal(ports, work);
  }
}
