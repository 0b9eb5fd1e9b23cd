import type { Readable } from "node:stream";
import type { z } from "zod";
import type { SignedRequest } from "../model/grant.ts";
import type { SendRequest } from "./requests.ts";

/** What an object is written from. An array can be sent again after a failure; what can be read only once cannot. */
export type Body = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/** What a new object must be; `put` refuses anything else. */
export interface PutOptions {
  readonly sizeBytes: number;
  /** SHA-256 (hex) of the whole body; the driver compares it with what it received. */
  readonly sha256: string;
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
  /** Bytes [start, end); without it the whole object. */
  readonly range?: { readonly start: number; readonly end: number };
  readonly signal?: AbortSignal | undefined;
}

/**
 * Where backups live. Keys are `/`-separated ids. Every sentence here is a test in test/contract/storage.ts, run
 * against every driver.
 */
export interface Storage {
  /**
   * Stores `body` under `key`, durably and all or nothing: when it resolves the object survives a power cut; when it
   * rejects, `key` does not exist. Throws OBJECT_EXISTS when it did before: objects are written once. Throws
   * OBJECT_DAMAGED when size or hash differ from what was promised; STORAGE_FULL, STORAGE_READ_ONLY or STORAGE_FAILED
   * when the place says so. Only where STORAGE_FAILED says that the answer was lost and the place cannot be asked may
   * the object be there: a later put of it throws OBJECT_EXISTS.
   */
  put(key: string, body: Body, options: PutOptions): Promise<StoredObject>;
  /** Throws OBJECT_NOT_FOUND before the first byte when there is none. */
  get(key: string, options?: GetOptions): Promise<Readable>;
  /** Null when there is no such object. */
  stat(key: string): Promise<StoredObject | null>;
  /** Every object whose key begins with `prefix`, in key order; unfinished ones are never seen. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /**
   * Deletes the keys that exist and ignores the rest. Only the server calls this. What is locked stays: OBJECT_LOCKED
   * names it in `details.locks` after everything else is gone.
   */
  delete(keys: readonly string[]): Promise<void>;
  /** Unfinished writes older than `olderThanMs`, by a name that a person can find; with `remove` they are deleted. */
  leftovers(options: { olderThanMs: number; remove: boolean }): Promise<string[]>;
  /** Where this is, for people; without secrets. */
  describe(): string;
  /** Present where objects are locked: then every put locks its object at once, for as long as a backup may take. */
  readonly lock?: ObjectLock;
  /** Present where a request can be signed here and sent by somebody without credentials. */
  readonly sign?: RequestSigner;
}

/** Signs requests that do one thing to one object until `expiresAtMs`. Only the server calls these. */
export interface RequestSigner {
  /**
   * Writes the object as `put` would: bound to key, size, hash, the condition that the key is free and, where objects
   * are locked, the lock. Throws what `put` throws of a place that is not to be written to.
   */
  put(key: string, object: { readonly sizeBytes: number; readonly sha256: string }, expiresAtMs: number): Promise<{ readonly transfer: SignedRequest; readonly confirm: SignedRequest }>;
  /** Reads the object or any range of it. */
  get(key: string, expiresAtMs: number): Promise<SignedRequest>;
}

export interface LockState {
  /** When the lock ends; null without one. */
  readonly lockedUntilMs: number | null;
  /** True under a legal hold, which has no end of its own. */
  readonly isHeld: boolean;
}

/** What happened when somebody tried to get around a lock. */
export interface LockTrial {
  /** `delete it`, `shorten its lock` … */
  readonly attempt: string;
  readonly isRefused: boolean;
}

/** What keeps objects from being deleted or replaced by anybody. Only the server calls these. */
export interface ObjectLock {
  /** How long what is committed is locked where no policy says otherwise. */
  readonly committedMs: number;
  /** Throws OBJECT_NOT_FOUND when there is no such object. */
  state(key: string): Promise<LockState>;
  /** Moves the end of an object's lock to `untilMs` or later; an end that is later already stays. */
  extend(key: string, untilMs: number): Promise<void>;
  /** Puts an object under a legal hold, or ends that. */
  hold(key: string, isHeld: boolean): Promise<void>;
  /** Really tries to delete the object and to shorten its lock, with the rights that there are. */
  tryToBreak(key: string): Promise<LockTrial[]>;
}

export interface StorageDriver<Options = unknown> {
  readonly kind: string;
  readonly title: string;
  /** True where a store elsewhere is asked, request by request. */
  readonly sendsRequests?: boolean;
  /** Checks the `options` of a repository in the configuration. Secrets are marked with `.meta({ secret: true })`. */
  readonly options: z.ZodType<Options>;
  /** Nothing is asked yet. A driver of a store elsewhere sends each of its requests through `send`. */
  open(options: Options, send?: SendRequest): Storage;
}

export function defineStorage<Options>(driver: StorageDriver<Options>): StorageDriver<Options> {
  return driver;
}
