/** What crosses between the catalog and the thread that holds the SQLite file. */
export type SqlValue = null | number | bigint | string | Uint8Array;

export interface ThreadStart {
  readonly path: string;
  readonly lockPath: string;
  readonly busyTimeoutMs: number;
}

export type ThreadRequest =
  | { readonly id: number; readonly kind: "run"; readonly sql: string; readonly parameters: readonly SqlValue[] }
  | { readonly id: number; readonly kind: "close" };

export interface RunResult {
  readonly rows: Record<string, SqlValue>[];
  readonly changes: bigint;
}

export interface ThreadFault {
  readonly message: string;
  /** SQLite's extended result code; null when it was not SQLite that refused. */
  readonly errcode: number | null;
  /** True when another process holds the lock file. */
  readonly locked: boolean;
}

/** Answer 0 says that the file is open. */
export type ThreadReply =
  | { readonly id: number; readonly ok: true; readonly result: RunResult }
  | { readonly id: number; readonly ok: false; readonly fault: ThreadFault };
