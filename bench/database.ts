import { type Mariadb, startMariadb } from "../test/fixtures/mariadb.ts";
import { TextSource } from "./text.ts";

const TABLES = 4;
const ROW_BYTES = 2_000;
const BATCH_ROWS = 400;

/** What a row costs on disk beyond its bytes: measured on the tables made here. */
const OVERHEAD = 1.09;

/** Where the incompressible half of the bytes lies: in every row, or in tables of its own, as pictures and documents do. */
export const LAYOUTS = ["rows", "tables"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** A MariaDB with about so many bytes of rows, half of them random and half text-like; at rest, so that its redo log is short. */
export async function startDatabase(sizeBytes: number, layout: Layout): Promise<Mariadb> {
  const server = await startMariadb({
    binlog: false,
    config: { innodb_buffer_pool_size: "512M", innodb_log_file_size: "512M", innodb_flush_log_at_trx_commit: "0", innodb_doublewrite: "0" },
  });
  try {
    await fill(server, sizeBytes, layout);
    await server.restart();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function fill(server: Mariadb, sizeBytes: number, layout: Layout): Promise<void> {
  const text = new TextSource(4_711);
  const session = await server.connect();
  try {
    await session.run("CREATE DATABASE bench CHARACTER SET latin1");
    const rows = Math.ceil(sizeBytes / OVERHEAD / ROW_BYTES / TABLES);
    for (let table = 0; table < TABLES; table += 1) {
      const name = `bench.t${String(table)}`;
      const noiseBytes = layout === "rows" ? ROW_BYTES / 2 : table < TABLES / 2 ? ROW_BYTES : 0;
      await session.run(`CREATE TABLE ${name} (id INT AUTO_INCREMENT PRIMARY KEY, noise VARBINARY(2000) NOT NULL, words VARCHAR(2000) NOT NULL)`);
      for (let made = 0; made < rows; made += BATCH_ROWS) {
        const values = Array.from({ length: Math.min(BATCH_ROWS, rows - made) }, () => `(${noise(noiseBytes)}, '${text.next(ROW_BYTES - noiseBytes)}')`);
        await session.run(`INSERT INTO ${name} (noise, words) VALUES ${values.join(",")}`);
      }
    }
  } finally {
    await session.close();
  }
}

function noise(sizeBytes: number): string {
  // RANDOM_BYTES gives at most 1,024 at a time.
  const halves = [Math.ceil(sizeBytes / 2), Math.floor(sizeBytes / 2)].filter((half) => half > 0);
  return halves.length === 0 ? "''" : `CONCAT(${halves.map((half) => `RANDOM_BYTES(${String(half)})`).join(",")})`;
}
