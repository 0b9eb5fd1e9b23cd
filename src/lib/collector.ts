import { setFlagsFromString } from "node:v8";

/**
 * Lets buffers count towards what V8 may hold in all, in every thread, instead of towards the dozen MiB that its own heap
 * may grow by. Otherwise each pack that comes from a thread begins a collection of the whole heap: a tenth of a backup's
 * CPU time (measured). Later versions of V8 count in other ways and are left alone.
 */
export function relaxCollector(): void {
  if (process.versions.v8.startsWith("13.")) setFlagsFromString("--external-memory-accounted-in-global-limit");
}
