import { HttpErrorResponse, type HttpInterceptorFn } from "@angular/common/http";
import { inject } from "@angular/core";
import { delayBeforeRetry, failureOf, NoAnswerError } from "livekit-token-api-client";
import { catchError, defer, retry, switchMap, throwError, timeout, timer } from "rxjs";

import { CALLER_TOKEN, TOKEN_API_BASE_URL } from "./token-api.config.js";

const TIMEOUT_MS = 10_000;

/** Adds the caller token, retries what may pass, and makes a `TokenClientError` of what fails. */
export const tokenApiInterceptor: HttpInterceptorFn = (request, next) => {
  // Another server must not see the caller token.
  if (!request.url.startsWith(`${inject(TOKEN_API_BASE_URL)}/`)) {
    return next(request);
  }
  const callerToken = inject(CALLER_TOKEN);
  return defer(async () => (await callerToken?.()) ?? null).pipe(
    switchMap((token) =>
      next(
        token === null ? request : request.clone({ setHeaders: { Authorization: `Bearer ${token}` } }),
      ).pipe(
        timeout(TIMEOUT_MS),
        catchError((failure: unknown) => throwError(() => clientError(failure))),
        retry({
          delay: (failure: unknown, count) => {
            const delay = delayBeforeRetry(failure, count - 1);
            return delay === undefined ? throwError(() => failure) : timer(delay);
          },
        }),
      ),
    ),
  );
};

function clientError(failure: unknown): Error {
  // Status 0 is what Angular calls no answer; a success that is no JSON is an error of its, too.
  return failure instanceof HttpErrorResponse && failure.status !== 0
    ? failureOf(failure.status, (name) => failure.headers.get(name), failure.error)
    : new NoAnswerError(failure);
}
