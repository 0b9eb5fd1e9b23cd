/**
 * Root on a database host against the backups: `demo-writeonly.ts [--size-mb N]`. `demo-writeonly.ts intruder PLAN` is the intruder's own
 * process, which the demo starts in the database host's namespaces.
 */
import { parseArgs } from "node:util";
import { noVersitygw, startVersitygwIn } from "../src/demo/s3/versitygw.ts";
import { demoWriteOnly } from "../src/demo/writeonly/demo-writeonly.ts";
import { intrude } from "../src/demo/writeonly/intruder/intrude.ts";
import { intruderPlanSchema } from "../src/demo/writeonly/intruder/plan.ts";
import { generateKeyPair, writeIdentityFile } from "../src/keys/identities.ts";
import { systemClock } from "../src/lib/clock.ts";
import { asHoldfastError, HoldfastError } from "../src/lib/errors.ts";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function runDemo(): Promise<void> {
  const { values } = parseArgs({ options: { "size-mb": { type: "string", default: "20" } } });
  const sizeMb = Number(values["size-mb"]);
  if (!Number.isInteger(sizeMb) || sizeMb < 1) throw new HoldfastError("USAGE", `--size-mb is "${values["size-mb"]}", which is not a whole number of at least 1.`);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort(new HoldfastError("CANCELLED", `Interrupted by ${signal}.`)));
  await demoWriteOnly({
    s3: noVersitygw === undefined ? { start: startVersitygwIn } : { missing: noVersitygw },
    print,
    nowMs: () => systemClock.nowMs(),
    makeKey: async (path) => {
      const pair = await generateKeyPair();
      await writeIdentityFile(path, pair, systemClock);
      return pair.recipient;
    },
    sizeMb,
    intruder: [process.execPath, import.meta.filename, "intruder"],
    signal: interrupted.signal,
  });
}

async function runIntruder(plan: string): Promise<void> {
  await intrude(intruderPlanSchema.parse(JSON.parse(plan)), (tried) => print(JSON.stringify(tried)));
  print("done");
}

try {
  const [role, plan] = process.argv.slice(2);
  await (role === "intruder" ? runIntruder(plan ?? "") : runDemo());
} catch (error) {
  const { message, hint, row, cause } = asHoldfastError(error);
  process.stderr.write(`demo:writeonly: ${message}\n  ${hint}\n`);
  if (row.exit === 1 && cause instanceof Error) process.stderr.write(`${cause.stack ?? ""}\n`);
  process.exitCode = 1;
}
