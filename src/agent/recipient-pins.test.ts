import { describe, expect, test } from "vitest";
import { orderOf, shipWork } from "../../test/fakes/agent-server.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import type { Order, Work } from "../model/job.ts";
import { RECIPIENTS_KIND, type SignedRecipients } from "../model/signed-recipients.ts";
import { admitOrder } from "./admit.ts";
import { permitSigned, type SeenList, type SeenLists } from "./recipient-pins.ts";

const organisation = signerFrom(generateSigningKey());
const stranger = signerFrom(generateSigningKey());
const BOTH = ["age1x", "age1escrow"];

const listOf = (serial: number, recipients: string[] = BOTH, signer = organisation): SignedRecipients => signer.sign(RECIPIENTS_KIND, { serial, signedAt: "2026-11-21T10:00:00.000Z", recipients });
const refusal = (says: string): object => ({ code: "AGENT_REFUSED", message: expect.stringContaining(says) as unknown });

/** An agent that pins the key; `kept` is what its disk holds. */
function machine(kept: { seen: SeenList | null } = { seen: null }, write?: SeenLists["write"]): { admit: (signed?: SignedRecipients, ordered?: string[]) => Promise<Order>; kept: { seen: SeenList | null } } {
  const lists: SeenLists = { read: async () => kept.seen, write: write ?? (async (seen) => void (kept.seen = seen)) };
  const pins = { agent: "db1", instances: new Map([["shop", { engine: "mysql", connection: {} }]]), permitRecipients: permitSigned(organisation.publicKey, lists), restoreTargets: [], hooks: new Map(), restoreConnections: [] };
  const admit = (signed?: SignedRecipients, ordered = BOTH): Promise<Order> => {
    const sealing = { recipients: ordered, metadataRecipient: "age1m", compressionLevel: 3, ...(signed === undefined ? {} : { signed }) };
    return admitOrder(orderOf({ ...shipWork, sealing } as Work), pins);
  };
  return { admit, kept };
}

describe("an agent that pins the organisation's key", () => {
  test("seals to whom it has signed, in whatever order, and to nobody else", async () => {
    const { admit } = machine();
    expect((await admit(listOf(1))).work.kind).toBe("ship");
    await admit(listOf(1), BOTH.toReversed());
    await expect(admit(listOf(2), [...BOTH, "age1thief"])).rejects.toMatchObject(refusal("does not name the recipient age1thief"));
    await expect(admit(listOf(2), ["age1x"])).rejects.toMatchObject(refusal("leaves out the recipient age1escrow"));
  });

  test("takes no list that is missing, forged, altered, or of another kind", async () => {
    const { admit } = machine();
    await expect(admit()).rejects.toMatchObject(refusal("carries no list of recipients"));
    const signed = listOf(7);
    const forged = [
      listOf(7, BOTH, stranger),
      { ...listOf(7, BOTH, stranger), signature: { ...listOf(7, BOTH, stranger).signature, key: organisation.fingerprint } },
      { ...signed, body: { ...signed.body, recipients: ["age1thief"] } },
      { ...signed, body: { ...signed.body, serial: 8 } },
      { ...signed, signature: { ...signed.signature, value: "" } },
      { ...signed, kind: "holdfast-grant-v1" },
      organisation.sign("holdfast-grant-v1", signed.body),
    ];
    for (const list of forged) await expect(admit(list, [...list.body.recipients])).rejects.toMatchObject(refusal("is not signed by the organisation's key"));
  });

  test("takes no older list once it has seen a newer one, also after it was started anew", async () => {
    const { admit, kept } = machine();
    await admit(listOf(5));
    await admit(listOf(9, ["age1new", "age1escrow"]), ["age1new", "age1escrow"]);
    await expect(admit(listOf(5))).rejects.toMatchObject(refusal("has the serial 5, and one with 9 was seen here before"));
    await expect(machine(kept).admit(listOf(8))).rejects.toMatchObject(refusal("has the serial 8"));
    await expect(machine(kept).admit(listOf(9))).rejects.toMatchObject(refusal("another than the one with the same serial 9"));
    await machine(kept).admit(listOf(10));
  });

  test("a list that it refused for its recipients is not what it has seen", async () => {
    const { admit } = machine();
    await admit(listOf(5));
    await expect(admit(listOf(9), ["age1thief"])).rejects.toMatchObject(refusal("age1thief"));
    await admit(listOf(6));
  });

  test("does not begin the work before its disk has the newer serial", async () => {
    const full = machine({ seen: null }, () => Promise.reject(new Error("disk full")));
    await expect(full.admit(listOf(5))).rejects.toThrow("disk full");
    // Nor with the next order.
    await expect(full.admit(listOf(5))).rejects.toThrow("disk full");
  });

  test("of two orders at once the older list is not remembered behind the newer", async () => {
    const { admit, kept } = machine();
    const ended = await Promise.allSettled([admit(listOf(9)), admit(listOf(5)), admit(listOf(9))]);
    expect([ended.map(({ status }) => status), kept.seen?.serial]).toEqual([["fulfilled", "rejected", "fulfilled"], 9]);
  });

  test("begins anew with another key: serials of the one before say nothing", async () => {
    const { admit } = machine({ seen: { organisationKey: stranger.publicKey, serial: 99, sha256: "0" } });
    await admit(listOf(1));
  });
});
