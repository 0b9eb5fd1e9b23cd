import { type ErrorCode, HoldfastError } from "../../lib/errors.ts";

/** What an answer says, as far as errors are concerned. */
interface Answer {
  readonly name: string;
  readonly code: string;
  readonly status: number | undefined;
  readonly message: string;
  /** The server's clock as it stood in the answer. */
  readonly serverTimeMs: number | undefined;
}

type Verdict = readonly [code: ErrorCode, what: string, hint: string | undefined];

const CLOCK = new Set(["RequestTimeTooSkewed", "RequestExpired"]);
const LOGIN = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "CredentialsProviderError"]);
const ARRIVED_OTHERWISE = new Set(["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody", "RequestTimeout"]);
const FULL = new Set(["QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "XMinioStorageFull", "EntityTooLarge"]);
const BUSY = new Set(["SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable", "BandwidthLimitExceeded"]);
const WITHOUT_LOCK = new Set(["ObjectLockConfigurationNotFoundError", "InvalidBucketState", "NoSuchObjectLockConfiguration"]);
/** Stores that lie on a file system have no object where others need a folder, nor the other way round. */
const KEY_IN_THE_WAY = new Set(["ExistingObjectIsDirectory", "ObjectParentIsFile", "ExistingObjectIsObject"]);
const UNTRUSTED = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_)/;

/** What went wrong at `place` while something was being `action` ("stored"), in the words of the one table of errors. */
export function s3Error(error: unknown, action: string, place: string): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error;
  const answer = answerOf(error);
  const [code, what, hint] = judge(answer, place);
  const said = [answer.code || answer.name, answer.status].filter((part) => part !== undefined && part !== "").join(" ");
  return new HoldfastError(code, `${place} could not be ${action}: ${what} (${said}).`, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

/** True when the server said no before it stored anything; false when the write may have succeeded all the same. */
export function isPlainRefusal(error: unknown): boolean {
  const status = error instanceof Error ? answerOf(error).status : undefined;
  return status !== undefined && status >= 400 && status < 500;
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof Error && answerOf(error).status === status;
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (answerOf(error).code === code || error.name === code);
}

function answerOf(error: Error): Answer {
  const raw = error as Error & { Code?: unknown; code?: unknown; $metadata?: { httpStatusCode?: number }; $response?: { headers?: Record<string, string> } };
  const code = typeof raw.Code === "string" ? raw.Code : typeof raw.code === "string" ? raw.code : "";
  const date = Date.parse(raw.$response?.headers?.["date"] ?? "");
  return { name: error.name, code, status: raw.$metadata?.httpStatusCode, message: error.message, serverTimeMs: Number.isNaN(date) ? undefined : date };
}

function judge(answer: Answer, place: string): Verdict {
  const is = (names: ReadonlySet<string>): boolean => names.has(answer.code) || names.has(answer.name);
  if (is(CLOCK)) return ["CLOCK_WRONG", clockWords(answer), undefined];
  if (is(new Set(["NoSuchBucket"]))) return ["STORAGE_UNSUITABLE", "the bucket does not exist", "Create the bucket, or correct `bucket`, `region` and `endpoint` of the repository."];
  if (is(new Set(["NoSuchKey", "NoSuchVersion", "NotFound"]))) return ["OBJECT_NOT_FOUND", "it is not there", undefined];
  if (is(WITHOUT_LOCK)) return ["STORAGE_UNSUITABLE", "the bucket has no Object Lock", "Make a bucket with Object Lock, or take `lock` out of the repository's options."];
  if (is(KEY_IN_THE_WAY)) return ["INPUT_INVALID", "the store allows no key below another one", undefined];
  if (is(ARRIVED_OTHERWISE)) return ["STORAGE_FAILED", "what arrived is not what was sent", "The way to the store damages or cuts data; it is sent again."];
  if (is(FULL) || answer.status === 507) return ["STORAGE_FULL", "the store or its quota is full", `Raise the quota of ${place}, or add space.`];
  if (is(BUSY) || answer.status === 429 || answer.status === 503) return ["STORAGE_FAILED", "the store asks to slow down", "It is tried again; if this stays, lower `agent.uploadBytesPerS` or the number of jobs, or ask the store's operator."];
  if (answer.status !== undefined) return judgeStatus(answer, is(LOGIN));
  if (is(LOGIN)) return ["STORAGE_REFUSED", "there are no usable credentials", "Give `accessKeyId` and a source of its secret in the repository's options, or set them in the environment."];
  if (UNTRUSTED.test(answer.code)) return ["STORAGE_UNSUITABLE", "its certificate is not trusted", "Put the authority's certificate into a file and name it in NODE_EXTRA_CA_CERTS."];
  return ["STORAGE_FAILED", `the connection failed: ${answer.message}`, "Check that the store runs and is reachable from here."];
}

function judgeStatus({ status, message }: Answer, isLogin: boolean): Verdict {
  if (isLogin || status === 401) return ["STORAGE_REFUSED", "the store does not accept the credentials", "Check access key, secret and region of the repository."];
  if (status === 403) return ["STORAGE_REFUSED", "the store denies access", "Give the credentials the right to it: reading, writing and listing for the server, deleting of versions only where Holdfast may delete."];
  if (status === 404) return ["OBJECT_NOT_FOUND", "it is not there", undefined];
  if (status === 409) return ["STORAGE_FAILED", "another write was under way", undefined];
  if (status === 501) return ["STORAGE_UNSUITABLE", "the store does not know this kind of request", "Use a store that knows conditional writes, SHA-256 and, with `lock`, Object Lock."];
  if (status !== undefined && status >= 500) return ["STORAGE_FAILED", "the store reported an error of its own", "It is tried again; if this stays, ask the store's operator."];
  if (status !== undefined && status >= 300 && status < 400) return ["STORAGE_UNSUITABLE", "the store sends elsewhere", "Correct `region` and `endpoint` of the repository."];
  if (status !== undefined && status >= 400) return ["STORAGE_REFUSED", `the store refuses the request: ${message}`, "Check `region`, `style` and `endpoint` of the repository."];
  return ["STORAGE_FAILED", `the answer makes no sense: ${message}`, "Something between here and the store alters answers; it is tried again."];
}

function clockWords({ serverTimeMs }: Answer): string {
  if (serverTimeMs === undefined) return "the clock of this machine and the store's are too far apart";
  const aheadS = Math.round((Date.now() - serverTimeMs) / 1_000);
  return `the clock of this machine is ${String(Math.abs(aheadS))} s ${aheadS < 0 ? "behind" : "ahead of"} the store's`;
}
