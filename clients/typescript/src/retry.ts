import { NoAnswerError, TokenApiError, UnexpectedAnswerError } from "./errors.js";

/** How often a request is repeated, beside the first time. */
const RETRIES = 2;
/** What is waited at most before the first retry, in milliseconds; twice as much before the second. */
const BACKOFF_MS = 500;
/** The longest `Retry-After` that is waited for, in seconds: whoever waits longer should know. */
const LONGEST_RETRY_AFTER_SECONDS = 30;

/**
 * Tell how long to wait before a request is repeated.
 *
 * A 5xx, a 429 and a failure of the network are worth it, and nothing else: the same request would fail
 * again. A token may be asked for again: one that nobody received changes nothing.
 *
 * @param failure what the request failed with.
 * @param retries how often it has been repeated already.
 * @param random yields a number from 0 up to 1: clients that failed together do not come back together.
 * @returns milliseconds, or `undefined` if the failure is final.
 */
export function delayBeforeRetry(
  failure: unknown,
  retries: number,
  random: () => number = Math.random,
): number | undefined {
  if (retries >= RETRIES || !isWorthRepeating(failure)) {
    return undefined;
  }
  const asked = failure instanceof NoAnswerError ? 0 : (failure.retryAfterSeconds ?? 0);
  if (asked > LONGEST_RETRY_AFTER_SECONDS) {
    return undefined;
  }
  return asked * 1000 + random() * BACKOFF_MS * 2 ** retries;
}

function isWorthRepeating(
  failure: unknown,
): failure is TokenApiError | UnexpectedAnswerError | NoAnswerError {
  if (failure instanceof TokenApiError || failure instanceof UnexpectedAnswerError) {
    return failure.statusCode === 429 || failure.statusCode >= 500;
  }
  return failure instanceof NoAnswerError;
}
