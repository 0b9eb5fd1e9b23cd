import type { DesiredConfig } from "../control/apply-config.ts";
import type { Dispatcher } from "../control/dispatch.ts";
import type { EventWatch } from "../control/event-watch.ts";
import type { Grants } from "../control/grants.ts";
import type { OpenLogIndex } from "../control/plan-restore.ts";
import type { Keyholder } from "../keys/keyholder.ts";

/** What the handlers of routes get; the composition root fills it. */
export interface ServerContext {
  /** Ports, leases, settings and the maker of orders. */
  readonly dispatcher: Dispatcher;
  /** Looks for new events, for all who listen. */
  readonly eventWatch: EventWatch;
  readonly grants: Grants;
  readonly keyholder: Keyholder;
  /** Opens lists of groups with the server's own metadata key. */
  readonly openLogIndex: OpenLogIndex;
  /** Recipients whose identities the keyholder holds; for `doctor`. */
  heldRecipients(): Promise<readonly string[]>;
  readonly configuration: {
    /** Path of the configuration that this server runs on. */
    sourceName(): string;
    /** Throws CONFIG_INVALID with every fault at once. */
    parse(yaml: string, sourceName: string): Promise<DesiredConfig>;
    /** Called after the catalog took a configuration: opens its repositories. */
    applied(config: DesiredConfig): Promise<void>;
  };
  /** Pools that the agent inside this process serves; null: all. */
  readonly ownPools: readonly string[] | null;
  /** Its name, which no other may take; null when there is none. */
  readonly ownAgentName: string | null;
  /** SHA-256 of the certificate on the network; null without one. */
  serverFingerprint(): Promise<string | null>;
  readonly version: string;
}
