/**
 * Any warning of the process (a listener leak, a deprecation) fails the run: thrown here, it is an unhandled error.
 * Loaded once per file of tests; where files share a process, one listener is enough.
 */
const LISTENING = Symbol.for("holdfast.fail-on-warning");
const shared = globalThis as { [LISTENING]?: true };

if (shared[LISTENING] === undefined) {
  shared[LISTENING] = true;
  process.on("warning", (warning) => {
    throw warning;
  });
}
