import { type Clock, isoTime } from "../../lib/clock.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import type { Grant, SignedGrant } from "../../model/grant.ts";
import { type Entered, type EnterDoor, grantDoor } from "../../storage/grant-door.ts";
import { readRepositoryMark, refuseForeign } from "../../storage/repository-mark.ts";
import type { Storage } from "../../storage/storage.ts";

const GRANT_MS_AT_MOST = 24 * 3_600_000;

export interface ServedOptions {
  readonly repositories: ReadonlyMap<string, Storage>;
  readonly signingKeyFingerprint: string;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: Log;
}

/** The repositories of a gateway, each of which opens once its own mark was seen: an empty mount point has none. */
export interface ServedRepositories {
  /** REPOSITORY_FOREIGN when one of them belongs to another installation; what cannot be read yet is tried again later. */
  look(): Promise<void>;
  /** Where a grant leads to. GRANT_INVALID for one that does not permit this here and now; STORAGE_FAILED while the repository has no mark. */
  enter(signed: SignedGrant, operation: Grant["operation"]): Promise<Entered>;
}

/** The mark of a repository holds the server's public key, and the fingerprint tells whether it is the right one. */
export function serveRepositories({ repositories, signingKeyFingerprint, clock, log }: ServedOptions): ServedRepositories {
  const doors = new Map<string, EnterDoor>();
  const open = async (name: string, storage: Storage): Promise<EnterDoor> => {
    const mark = await readRepositoryMark(storage);
    if (mark === null) {
      throw new HoldfastError("STORAGE_FAILED", `The repository ${name} (${storage.describe()}) has no holdfast.json yet: a server that uses it writes one at its start.`, {
        hint: "Start the server, or look whether the repository is mounted where the gateway's configuration says.",
      });
    }
    if (mark.signingKeyFingerprint !== signingKeyFingerprint) refuseForeign(storage, mark.signingKeyFingerprint, signingKeyFingerprint);
    const door = grantDoor({ repositories: new Map([[name, storage]]), publicKey: mark.signingPublicKey, clock });
    doors.set(name, door);
    return door;
  };
  return {
    look: async () => {
      for (const [name, storage] of repositories) {
        await open(name, storage).catch((error: unknown) => {
          if (error instanceof HoldfastError && error.code !== "REPOSITORY_FOREIGN") log.warn({ repository: name, err: error }, "the repository is not served yet");
          else throw error;
        });
      }
    },
    enter: async (signed, operation) => {
      const { repository, key } = signed.body;
      const storage = repositories.get(repository);
      if (storage === undefined) throw new HoldfastError("GRANT_INVALID", `The grant for ${key} names the repository ${repository}, which is not served here.`);
      const door = doors.get(repository) ?? (await open(repository, storage));
      const entered = door(signed, operation);
      refuseFarFuture(entered.grant, clock.nowMs());
      return entered;
    },
  };
}

/** Servers give minutes. What seems to be valid for days means that this clock is wrong, and what expired might look young. */
function refuseFarFuture({ key, expiresAt }: Grant, nowMs: number): void {
  if (Date.parse(expiresAt) - nowMs <= GRANT_MS_AT_MOST) return;
  throw new HoldfastError("GRANT_INVALID", `The grant for ${key} expires at ${expiresAt}, longer after the gateway's time, ${isoTime(nowMs)}, than any grant is given for.`, {
    hint: "Set the clock of the gateway's machine and keep it right, for example with `timedatectl set-ntp true`.",
  });
}
