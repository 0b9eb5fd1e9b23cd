import { HoldfastError } from "../lib/errors.ts";
import type { OfferedGrant } from "../model/grant.ts";
import type { ObjectGate } from "./gate.ts";

/** Each grant goes to the gate of the repository that it names; GRANT_INVALID when there is none. What it permits is checked there. */
export function gateByRepository(gates: ReadonlyMap<string, ObjectGate>): ObjectGate {
  const gateOf = ({ body: { key, repository } }: OfferedGrant): ObjectGate => {
    const gate = gates.get(repository);
    if (gate !== undefined) return gate;
    throw new HoldfastError("GRANT_INVALID", `The grant for ${key} names the repository ${repository}, to which this agent knows no way.`, { hint: `Name ${repository} under \`repositories\` in the agent's file.` });
  };
  return {
    takesRequests: [...gates.values()].some((gate) => gate.takesRequests === true),
    put: async (grant, body, signal) => gateOf(grant).put(grant, body, signal),
    confirm: async (grant, signal) => (await gateOf(grant).confirm?.(grant, signal)) ?? false,
    get: async (grant, range, signal) => gateOf(grant).get(grant, range, signal),
  };
}
