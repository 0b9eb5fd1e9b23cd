import { randomBytes } from "node:crypto";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { digestOf, type Ledger, type OrderRow } from "./ledger.ts";

/** The shop: a table of orders that grows, changes and shrinks, with every commit written to the ledger. */

const STATUSES = ["new", "paid", "sent", "returned"] as const;
const NOTES = ["", "leave at the door", "gift ☃", 'quote " and \' and `', "line\nbreak", "日本語のメモ"] as const;
const BATCH_ROWS = 500;

export async function createShop(connection: Connection): Promise<void> {
  await connection.query("CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4");
  await connection.query(`CREATE TABLE IF NOT EXISTS shop.orders (
    id INT NOT NULL PRIMARY KEY, customer VARCHAR(80) NOT NULL, amount_cents INT NOT NULL,
    status VARCHAR(20) NOT NULL, note VARCHAR(200) NOT NULL, payload VARBINARY(2000) NOT NULL,
    KEY by_customer (customer)) ENGINE=InnoDB`);
}

/** Half of each payload is random and half is text, as real rows are. */
export function makeOrder(id: number, payloadBytes = 1_000): OrderRow {
  const random = randomBytes(Math.floor(payloadBytes / 2));
  const text = Buffer.alloc(payloadBytes - random.byteLength, `order ${String(id)} of the shop; `);
  return {
    id,
    customer: `customer-${String(id % 997)}`,
    amountCents: (id * 7_919) % 100_000,
    status: pick(STATUSES, id),
    note: pick(NOTES, id),
    payload: Buffer.concat([random, text]),
  };
}

function pick<T>(from: readonly T[], number: number): T {
  return from[number % from.length] as T;
}

const columnsOf = (row: OrderRow): (string | number | Buffer)[] => [row.id, row.customer, row.amountCents, row.status, row.note, row.payload];

/** Inserts rows [firstId, firstId + count) in transactions of 500, and writes each commit to the ledger. */
export async function fillShop(connection: Connection, ledger: Ledger, options: { firstId: number; count: number; payloadBytes?: number }): Promise<void> {
  for (let start = options.firstId; start < options.firstId + options.count; start += BATCH_ROWS) {
    const end = Math.min(start + BATCH_ROWS, options.firstId + options.count);
    const rows = Array.from({ length: end - start }, (_, offset) => makeOrder(start + offset, options.payloadBytes));
    await connection.query("INSERT INTO shop.orders (id, customer, amount_cents, status, note, payload) VALUES ?", [rows.map(columnsOf)]);
    await record(connection, ledger, rows.map((row) => [row.id, digestOf(row)] as const));
  }
}

async function record(connection: Connection, ledger: Ledger, changes: readonly (readonly [number, string | null])[]): Promise<void> {
  const [rows] = await connection.query<RowDataPacket[]>("SELECT @@last_gtid AS gtid");
  const gtid: unknown = rows[0]?.["gtid"];
  if (typeof gtid !== "string" || gtid === "") throw new Error("the server gave no @@last_gtid after a commit");
  ledger.add({ gtid, committedAtMs: Date.now(), changes });
}

export interface Writer {
  /** Stops after the transaction under way; throws what the writer died of, if it did. */
  stop(): Promise<void>;
  readonly commits: () => number;
}

/** A live client with its own range of ids: inserts, updates and deletes in small transactions until it is stopped. */
export function startWriter(connection: Connection, ledger: Ledger, options: { firstId: number; pauseMs: number; random?: () => number }): Writer {
  let running = true;
  let commits = 0;
  const random = options.random ?? Math.random;
  const alive: number[] = [];
  let nextId = options.firstId;

  const transaction = async (): Promise<void> => {
    const changes = new Map<number, string | null>();
    await connection.beginTransaction();
    for (let statement = 0; statement < 1 + Math.floor(random() * 4); statement += 1) {
      const dice = random();
      if (alive.length < 10 || dice < 0.6) await insert(changes);
      else if (dice < 0.9) await update(changes);
      else await remove(changes);
    }
    await connection.commit();
    await record(connection, ledger, [...changes]);
    commits += 1;
  };
  const insert = async (changes: Map<number, string | null>): Promise<void> => {
    const row = makeOrder(nextId);
    nextId += 1;
    await connection.query("INSERT INTO shop.orders (id, customer, amount_cents, status, note, payload) VALUES (?)", [columnsOf(row)]);
    alive.push(row.id);
    changes.set(row.id, digestOf(row));
  };
  const update = async (changes: Map<number, string | null>): Promise<void> => {
    const id = alive[Math.floor(random() * alive.length)] as number;
    const row = { ...makeOrder(id), status: "changed", amountCents: Math.floor(random() * 100_000) };
    await connection.query("UPDATE shop.orders SET amount_cents = ?, status = ?, payload = ? WHERE id = ?", [row.amountCents, row.status, row.payload, id]);
    changes.set(id, digestOf(row));
  };
  const remove = async (changes: Map<number, string | null>): Promise<void> => {
    const [id] = alive.splice(Math.floor(random() * alive.length), 1) as [number];
    await connection.query("DELETE FROM shop.orders WHERE id = ?", [id]);
    changes.set(id, null);
  };
  const loop = (async () => {
    while (running) {
      await transaction();
      if (options.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
  })();
  loop.catch(() => undefined);
  return {
    commits: () => commits,
    stop: async () => {
      running = false;
      await loop;
    },
  };
}

/** Reads every order of a server and digests it the way the ledger does. */
export async function readShop(connection: Connection): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const [rows] = await connection.query<RowDataPacket[]>("SELECT id, customer, amount_cents AS amountCents, status, note, payload FROM shop.orders");
  for (const row of rows) found.set(row["id"] as number, digestOf(row as unknown as OrderRow));
  return found;
}
