import { failureOf, NoAnswerError, UnexpectedAnswerError } from "./errors.js";
import { delayBeforeRetry } from "./retry.js";

/** How long an answer may be, in bytes; those of the contract are much shorter. */
const MAX_BYTES = 1 << 20;
/** The longest that a timer runs, in milliseconds: one of longer would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What the client takes from its surroundings; tests bring their own. */
export interface Surroundings {
  /** Sends a request; by default, `fetch` of the browser or of Node. */
  readonly fetch: typeof globalThis.fetch;
  /** Tells the time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Yields a number from 0 up to 1. */
  readonly random: () => number;
  /** Waits so many milliseconds, or rejects with the signal's reason as soon as that is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export const SURROUNDINGS: Surroundings = {
  // Looked up at each call, so that whoever instruments `fetch` later is not passed by.
  fetch: (request, init) => globalThis.fetch(request, init),
  now: () => Date.now(),
  random: () => Math.random(),
  sleep,
};

/**
 * Make a `fetch` that answers with the JSON of a success, or rejects: with a `TokenClientError`, or with
 * the reason of the request's own signal.
 *
 * @param timeoutMs how long an answer may take, in milliseconds, before it counts as none.
 * @param isRepeated whether to ask again after what may pass.
 */
export function transport(
  surroundings: Surroundings,
  timeoutMs: number,
  { isRepeated }: { readonly isRepeated: boolean } = { isRepeated: true },
): (request: Request) => Promise<Response> {
  return async (request) => {
    for (let retries = 0; ; retries += 1) {
      try {
        return await ask(request, surroundings, timeoutMs);
      } catch (failure) {
        request.signal.throwIfAborted();
        const delay = isRepeated ? delayBeforeRetry(failure, retries, surroundings.random) : undefined;
        if (delay === undefined) {
          throw failure;
        }
        await surroundings.sleep(delay, request.signal);
      }
    }
  };
}

/** Ask once, and read the whole answer: it may break off, or take too long, after its head as well. */
async function ask(request: Request, { fetch, now }: Surroundings, timeoutMs: number): Promise<Response> {
  request.signal.throwIfAborted();
  const limit = new AbortController();
  const abort = (): void => limit.abort(request.signal.reason);
  request.signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(
    () => limit.abort(new DOMException(`No answer within ${timeoutMs} ms`, "TimeoutError")),
    Math.min(timeoutMs, LONGEST_TIMER_MS),
  );
  let response: Response;
  let text: string | undefined;
  try {
    // A copy, for the body of a request can be sent only once.
    response = await fetch(request.clone(), { signal: limit.signal });
    text = await textOf(response);
  } catch (cause) {
    throw new NoAnswerError(cause);
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener("abort", abort);
  }
  const body = parse(text);
  if (!response.ok) {
    throw failureOf(response.status, (name) => response.headers.get(name), body, now());
  }
  if (typeof body !== "object" || body === null) {
    throw new UnexpectedAnswerError(response.status);
  }
  return Response.json(body, { status: response.status });
}

/** Read a body, or nothing of one that is longer than any of the contract. */
async function textOf(response: Response): Promise<string | undefined> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done) {
      return text + decoder.decode();
    }
    length += value.byteLength;
    if (length > MAX_BYTES) {
      await reader?.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}
