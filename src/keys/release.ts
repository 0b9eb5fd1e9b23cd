import type { ErrorCode } from "../lib/errors.ts";

/** What a keyholder did with one request, for its record: never the key. What was asked is not believed when it was refused. */
export interface Release {
  readonly event: "released" | "refused";
  readonly grantId: string;
  readonly attemptId: string;
  readonly repository: string;
  readonly key: string;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}
