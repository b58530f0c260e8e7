import "../dom.js";
import "@angular/compiler";

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { HttpClient, provideHttpClient, withInterceptors } from "@angular/common/http";
import {
  HttpTestingController,
  provideHttpClientTesting,
  type TestRequest,
} from "@angular/common/http/testing";
import { provideZonelessChangeDetection } from "@angular/core";
import { TestBed } from "@angular/core/testing";
import { BrowserTestingModule, platformBrowserTesting } from "@angular/platform-browser/testing";
import {
  type ErrorCode,
  NoAnswerError,
  TokenApiError,
  type TokenResponse,
  UnexpectedAnswerError,
} from "livekit-token-api-client";
import { firstValueFrom } from "rxjs";

import { JoinComponent } from "./join.component.js";
import { CALLER_TOKEN, TOKEN_API_BASE_URL } from "./token-api.config.js";
import { tokenApiInterceptor } from "./token-api.interceptor.js";
import { TokenApiService } from "./token-api.service.js";

const BASE_URL = "http://127.0.0.1:7071/api";
const REQUEST = { roomName: "my-room", participantIdentity: "alice" };
const ISSUED: TokenResponse = { token: "a.b.c", expiresAt: "2026-11-23T13:00:00Z", ...REQUEST };

TestBed.initTestEnvironment(BrowserTestingModule, platformBrowserTesting());

let http: HttpTestingController;

beforeEach(() => {
  TestBed.configureTestingModule({
    providers: [
      provideZonelessChangeDetection(),
      provideHttpClient(withInterceptors([tokenApiInterceptor])),
      provideHttpClientTesting(),
      { provide: TOKEN_API_BASE_URL, useValue: BASE_URL },
      { provide: CALLER_TOKEN, useValue: async () => "caller-token" },
    ],
  });
  http = TestBed.inject(HttpTestingController);
});

afterEach(() => {
  http.verify();
  TestBed.resetTestingModule();
});

/** Wait for the next request; a retry comes after up to a second. */
async function next(): Promise<TestRequest> {
  for (let tries = 0; tries < 300; tries += 1) {
    const [request] = http.match(() => true);
    if (request) {
      return request;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return assert.fail("no request came");
}

function fail(
  request: TestRequest,
  status: number,
  errorCode: ErrorCode,
  headers: Record<string, string> = {},
): void {
  const body = {
    statusCode: status,
    errorCode,
    message: "No.",
    timestamp: "2026-11-23T12:00:00Z",
    requestId: "0f2d",
  };
  request.flush(body, { status, statusText: "-", headers });
}

test("the service asks for a token, and says who asks", async () => {
  const answer = firstValueFrom(TestBed.inject(TokenApiService).generateToken(REQUEST));
  const sent = await next();
  assert.equal(sent.request.url, `${BASE_URL}/token`);
  assert.equal(sent.request.headers.get("Authorization"), "Bearer caller-token");
  assert.deepEqual(sent.request.body, REQUEST);
  sent.flush(ISSUED);
  assert.deepEqual(await answer, ISSUED);
});

test("what may pass is retried twice, after Retry-After", async () => {
  const answer = firstValueFrom(TestBed.inject(TokenApiService).generateToken(REQUEST));
  (await next()).error(new ProgressEvent("error"));
  fail(await next(), 429, "RATE_LIMITED", { "Retry-After": "1" });
  const begin = performance.now();
  (await next()).flush(ISSUED);
  // Timers may be a millisecond early.
  assert.ok(performance.now() - begin >= 999);
  assert.deepEqual(await answer, ISSUED);
});

test("the last failure is the one that is told", async () => {
  const answer = assert.rejects(
    firstValueFrom(TestBed.inject(TokenApiService).createConnectionDetails()),
    NoAnswerError,
  );
  (await next()).flush("<h1>Bad gateway</h1>", { status: 502, statusText: "-" });
  fail(await next(), 500, "INTERNAL_ERROR");
  (await next()).error(new ProgressEvent("error"));
  await answer;
});

test("what would fail again is not retried", async () => {
  const answer = firstValueFrom(TestBed.inject(TokenApiService).generateToken(REQUEST));
  fail(await next(), 403, "ROOM_NOT_ALLOWED");
  await assert.rejects(
    answer,
    (error: unknown) => error instanceof TokenApiError && error.errorCode === "ROOM_NOT_ALLOWED",
  );
});

test("a page instead of an answer is told apart", async () => {
  const answer = firstValueFrom(TestBed.inject(TokenApiService).generateToken(REQUEST));
  (await next()).flush("<h1>Not found</h1>", { status: 404, statusText: "-" });
  await assert.rejects(answer, UnexpectedAnswerError);
});

test("another server does not get the caller token", async () => {
  const answer = firstValueFrom(TestBed.inject(HttpClient).get("http://127.0.0.1:7071/api-of-others/token"));
  const sent = await next();
  assert.equal(sent.request.headers.get("Authorization"), null);
  sent.flush({});
  await answer;
});

test("the button hands out the token, or says what is wrong", async () => {
  const fixture = TestBed.createComponent(JoinComponent);
  fixture.componentRef.setInput("roomName", "my-room");
  fixture.componentRef.setInput("identity", "alice");
  const tokens: TokenResponse[] = [];
  fixture.componentInstance.issued.subscribe((token) => tokens.push(token));
  await fixture.whenStable();
  const page = fixture.nativeElement as HTMLElement;
  const button = page.querySelector("button") as HTMLButtonElement;
  assert.equal(button.textContent, "Join my-room");
  button.click();
  fail(await next(), 403, "ROOM_NOT_ALLOWED");
  await fixture.whenStable();
  assert.equal(page.querySelector("[role=alert]")?.textContent, "This room is not open to you.");
  button.click();
  (await next()).flush(ISSUED);
  await fixture.whenStable();
  assert.equal(page.querySelector("[role=alert]"), null);
  assert.deepEqual(tokens, [ISSUED]);
});
