import type { ErrorResponse, FieldFault, Reason } from "./schema.js";

/** The kinds of failure that the contract knows; a newer service may have more. */
export type ErrorCode = ErrorResponse["errorCode"];

/**
 * Everything that a call may fail with, told apart by `name`, or by `instanceof`.
 *
 * What is not here is the caller's own: the reason of its `AbortSignal`, and what its `bearer` threw.
 */
export type TokenClientError = TokenApiError | UnexpectedAnswerError | NoAnswerError;

/** The service said why it did not do it. */
export class TokenApiError extends Error {
  override readonly name = "TokenApiError";
  /** The kind of failure, to branch on. */
  readonly errorCode: ErrorCode;
  /** The HTTP status, 400 to 599. */
  readonly statusCode: number;
  /** What joins this answer to the service's log; for the operator. */
  readonly requestId: string;
  /** When the answer was made, RFC 3339 in UTC. */
  readonly timestamp: string;
  /** One entry for every fault of the request; empty unless `errorCode` is `VALIDATION_ERROR`. */
  readonly validationErrors: readonly FieldFault[];
  /** What the operator may want to mend; empty unless `errorCode` is `NOT_READY`. */
  readonly reasons: readonly Reason[];
  /** In how many seconds to ask again, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(answer: ErrorResponse, statusCode: number, retryAfterSeconds?: number) {
    const faults = (answer.validationErrors ?? []).map(({ field, message }) => `${field} ${message}`);
    super([`${answer.errorCode}: ${answer.message}`, ...faults, `request ${answer.requestId}`].join("\n"));
    this.errorCode = answer.errorCode;
    this.statusCode = statusCode;
    this.requestId = answer.requestId;
    this.timestamp = answer.timestamp;
    this.validationErrors = answer.validationErrors ?? [];
    this.reasons = answer.reasons ?? [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Something answered, but not as the contract says: a proxy, a redirection, another server at this address. */
export class UnexpectedAnswerError extends Error {
  override readonly name = "UnexpectedAnswerError";
  /** The HTTP status; 0 for a redirection in a browser, which hides it. */
  readonly statusCode: number;
  /** In how many seconds to ask again, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(statusCode: number, retryAfterSeconds?: number) {
    const leadsElsewhere = statusCode === 0 || (statusCode >= 300 && statusCode < 400);
    const advice = leadsElsewhere ? "it leads elsewhere, which is not followed: " : "";
    super(
      `The answer, of status ${statusCode}, is none of a LiveKit Token API: ${advice}check the base URL, and proxies`,
    );
    this.statusCode = statusCode;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/**
 * No answer came: the network failed, the time was up, or a browser kept the answer from the page, which
 * it does where the operator does not allow the page's origin. `cause` is what `fetch` says.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";

  constructor(cause: unknown) {
    super("The LiveKit Token API did not answer", { cause });
  }
}

/**
 * Say what a failed answer means.
 *
 * @param statusCode its HTTP status.
 * @param header reads a header of it by name.
 * @param body what its JSON says, or its text.
 * @param now the time, in milliseconds since 1970, that a date in `Retry-After` is compared with, where the
 *   answer's own cannot be read.
 */
export function failureOf(
  statusCode: number,
  header: (name: string) => string | null,
  body: unknown,
  now: number = Date.now(),
): TokenApiError | UnexpectedAnswerError {
  const retryAfterSeconds = secondsOf(header("Retry-After"), header("Date"), now);
  return isErrorResponse(body)
    ? new TokenApiError(body, statusCode, retryAfterSeconds)
    : new UnexpectedAnswerError(statusCode, retryAfterSeconds);
}

/** Read `Retry-After`: the service writes seconds, a proxy before it may write a date. */
function secondsOf(retryAfter: string | null, date: string | null, now: number): number | undefined {
  if (/^\d+$/.test(retryAfter ?? "")) {
    return Number(retryAfter);
  }
  const until = timeOf(retryAfter);
  return until === undefined ? undefined : Math.max(0, (until - (timeOf(date) ?? now)) / 1000);
}

/** Read a date as HTTP writes it; `Date.parse` would make one of "1.5" as well. */
function timeOf(date: string | null): number | undefined {
  const time = /^[A-Z][a-z]+, /.test(date ?? "") ? Date.parse(date ?? "") : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function isErrorResponse(body: unknown): body is ErrorResponse {
  if (typeof body !== "object" || body === null) {
    return false;
  }
  const answer = body as Partial<Record<keyof ErrorResponse, unknown>>;
  const { validationErrors = [], reasons = [] } = answer;
  return (
    hasTexts(answer, "errorCode", "message", "requestId") &&
    Array.isArray(validationErrors) &&
    validationErrors.every((fault: unknown) => hasTexts(fault, "field", "message")) &&
    Array.isArray(reasons) &&
    reasons.every((reason) => typeof reason === "string")
  );
}

/** Tell whether each of these properties is a text. */
export function hasTexts(value: unknown, ...names: readonly string[]): boolean {
  const properties = Object(value) as Record<string, unknown>;
  return names.every((name) => typeof properties[name] === "string");
}
