/**
 * Carries knocks: "job X may be due". The catalog is the truth; a knock may be lost, doubled or late, and nothing breaks.
 */
export interface Queue {
  /** Tells the agents of a pool that a job is due. */
  knock(pool: string, jobId: string): Promise<void>;
  /** Calls back for every knock of the pool until the signal aborts. */
  listen(pool: string, onKnock: (jobId: string) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
