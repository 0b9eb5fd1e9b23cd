import { describe } from "vitest";

/**
 * `describe`, or, when `reason` says why these tests cannot run here, the same tests skipped under a title that
 * carries the reason. The runner prints it, and under CI refuses every reason that scripts/allowed-skips.json does not
 * list.
 */
export function describeUnless(reason: string | undefined, title: string, body: () => void): void {
  if (reason === undefined) {
    describe(title, body);
  } else {
    describe.skip(`${title} [SKIPPED: ${reason}]`, body);
  }
}
