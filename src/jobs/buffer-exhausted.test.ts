import { expect, test } from "vitest";
import { bufferExhausted, type Exhaustion } from "./buffer-exhausted.ts";

const MIB = 1024 ** 2;
const what: Exhaustion = {
  repository: "offsite", elapsedMs: 40_000, readBytes: 4_000 * MIB, storedBytes: 400 * MIB, bufferBytes: 128 * MIB, spoolBytes: 2_048 * MIB,
  spoolDir: "/var/spool", isDiskFull: false, redo: { capacityBytes: 96 * MIB, setting: "innodb_log_file_size" },
}; // prettier-ignore

test("a full spool is told with both rates, its size, the server's redo capacity and what to change", () => {
  const error = bufferExhausted(what);
  expect(error.message).toBe(
    "Repository offsite was too slow for this hot backup: in 40.0 s the server gave 3.91 GiB (100 MiB/s) and 400 MiB of ciphertext were stored (10.0 MiB/s), until the memory budget of 128 MiB (agent.bufferBytes) and the spool of 2.00 GiB (agent.spoolBytes) were full; a tool that is held back fails when the server writes its redo log of 96.0 MiB (innodb_log_file_size) over before it is copied, so it was ended.",
  );
  expect(error.hint).toMatch(/^Raise agent\.spoolBytes, .*agent\.uploadBytesPerS.*innodb_log_file_size/);
  expect(error.details).toEqual({ readBytesPerS: 100 * MIB, storedBytesPerS: 10 * MIB, bufferBytes: 128 * MIB, spoolBytes: 2_048 * MIB, redoBytes: 96 * MIB });
});

test("a full disk is named instead of the limit, and an unknown redo capacity is not made up", () => {
  const error = bufferExhausted({ ...what, isDiskFull: true, redo: null });
  expect(error.message).toContain("and the disk of the spool in /var/spool were full");
  expect(error.message).toContain("writes its redo log over");
  expect(error.hint).toMatch(/^Free space on that disk, or give agent\.spoolDir a larger one/);
});
