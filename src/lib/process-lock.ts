import { DatabaseSync } from "node:sqlite";

/**
 * Holds an exclusive transaction on an empty file for the life of the process: the kernel gives the lock back however the
 * process ends, so there is no stale pid file to judge. Throws SQLite's error where another process holds it.
 */
export function takeProcessLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}
