import type { Connection, RowDataPacket } from "mysql2/promise";
import { compareRows, Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, readShop, startWriter, type Writer } from "../../src/demo/shop.ts";

const FIRST_ROWS = 1_500;
const PAUSE_MS = 25;
/** Ids of one writer; each gets its own range. */
const RANGE = 1_000_000;
/** A transaction of the writer touches no more rows. */
const MOST_ROWS = 4;
const BALLAST_ROWS = 65_536;

/** Writes into the shop and keeps the ledger, through deaths of the server. */
export class Witness {
  readonly ledger = new Ledger();
  readonly #connect: () => Promise<Connection>;
  readonly #random: () => number;
  #writer: Writer | undefined;
  #ranges = 0;

  constructor(connect: () => Promise<Connection>, random: () => number) {
    this.#connect = connect;
    this.#random = random;
  }

  async begin(): Promise<void> {
    const connection = await this.#connect();
    await createShop(connection);
    await fillShop(connection, this.ledger, { firstId: 1, count: FIRST_ROWS });
    connection.destroy();
    await this.setBallast(0);
  }

  /** A table beside the shop, of always as many rows: so much incompressible data, which no log tells of. */
  async setBallast(sizeBytes: number): Promise<void> {
    const connection = await this.#connect();
    try {
      await connection.query("SET SESSION sql_log_bin = 0");
      await connection.query("CREATE OR REPLACE TABLE shop.ballast (id INT NOT NULL PRIMARY KEY, payload VARBINARY(20000) NOT NULL) ENGINE=InnoDB");
      await connection.query(`INSERT INTO shop.ballast SELECT seq, RANDOM_BYTES(${String(Math.max(1, Math.floor(sizeBytes / BALLAST_ROWS)))}) FROM shop.seq_1_to_${String(BALLAST_ROWS)}`);
    } finally {
      connection.destroy();
    }
  }

  async startWriting(): Promise<void> {
    this.#ranges += 1;
    this.#writer = startWriter(await this.#connect(), this.ledger, { firstId: this.#ranges * RANGE, pauseMs: PAUSE_MS, random: this.#random });
  }

  /** Ends the writer; what a dying server left unanswered is looked up. Gives sentences about acknowledged rows that the source lost. */
  async stopWriting(): Promise<string[]> {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer === undefined) return [];
    try {
      await writer.stop();
      return [];
    } catch {
      return this.#lookUp();
    }
  }

  /** A transaction whose commit was never answered may have been kept or not: the server knows. */
  async #lookUp(): Promise<string[]> {
    const connection = await this.#connect();
    try {
      const found = await readShop(connection);
      const known = this.expectedRows();
      const ids = new Set([...found.keys(), ...known.keys()]);
      const changes = [...ids].filter((id) => found.get(id) !== known.get(id)).map((id) => [id, found.get(id) ?? null] as const);
      if (changes.length === 0) return [];
      const foreign = changes.filter(([id]) => Math.floor(id / RANGE) !== this.#ranges);
      if (changes.length > MOST_ROWS || foreign.length > 0) return [`the source lost acknowledged rows in its crash: ${changes.slice(0, 5).map(([id]) => String(id)).join(", ")}`];
      const [rows] = await connection.query<RowDataPacket[]>("SELECT @@gtid_binlog_pos AS gtid");
      this.ledger.add({ gtid: String(rows[0]?.["gtid"]), committedAtMs: Date.now(), changes });
      return [];
    } finally {
      connection.destroy();
    }
  }

  /** Every row that must be there now. */
  expectedRows(): Map<number, string> {
    return this.ledger.stateAt(this.ledger.entries().at(-1)?.gtid ?? "0-0-0");
  }

  /** Differences between the ledger, and a server that claims to hold everything. */
  async differences(connection: Connection): Promise<string[]> {
    return compareRows(this.expectedRows(), await readShop(connection)).differences;
  }
}
