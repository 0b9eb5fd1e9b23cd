import type { Config } from "./config/config.ts";
import { type FileKeyholderOptions, heldRecipients, openKeyholder } from "./keys/file-keyholder.ts";
import type { Keyholder } from "./keys/keyholder.ts";
import type { Release } from "./keys/release.ts";
import { remoteKeyholder } from "./keys/remote-keyholder.ts";
import type { Log } from "./lib/log.ts";

/** The keyholder that the configuration names at the moment of each call: a process of its own, or the identity files here. */
export function keyholderIn(config: () => Config, options: Pick<FileKeyholderOptions, "verifyGrant" | "clock"> & { log: Log }): { opens: Keyholder; heldRecipients(): Promise<readonly string[]> } {
  const here = openKeyholder({
    get identityPaths() {
      return config().keys.identities;
    },
    identitiesField: "keys.identities",
    verifyGrant: options.verifyGrant,
    clock: options.clock,
    record: (release) => Promise.resolve(inLog(options.log, release)),
  });
  const there = () => {
    const { keyholder } = config();
    return keyholder === undefined ? null : remoteKeyholder(keyholder);
  };
  return {
    opens: { open: (requests) => (there() ?? here).open(requests) },
    heldRecipients: async () => (await there()?.held())?.recipients ?? heldRecipients(config().keys.identities),
  };
}

function inLog(log: Log, release: Release): void {
  if (release.event === "released") log.info(release, "file key released");
  else log.warn(release, "file key refused");
}
