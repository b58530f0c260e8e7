import assert from "node:assert/strict";
import { test } from "node:test";

import { NoAnswerError, TokenApiError, TokenClient, UnexpectedAnswerError } from "../src/index.js";
import {
  type Answer,
  breakOff,
  Clock,
  failure,
  html,
  issued,
  json,
  REQUEST,
  reset,
  serve,
  silence,
} from "./support.js";

const passing: Record<string, Answer> = {
  "a fault of the service": failure(500, "INTERNAL_ERROR"),
  "missing credentials": failure(500, "MISSING_CREDENTIALS"),
  "too many at once": failure(503, "OVERLOADED", { headers: { "Retry-After": "1" } }),
  "too many requests": failure(429, "RATE_LIMITED", { headers: { "Retry-After": "1" } }),
  "a proxy without a service": html(502),
  "a connection that is reset": reset,
  "an answer that breaks off": breakOff,
};
for (const [name, answer] of Object.entries(passing)) {
  test(`what may pass is retried: ${name}`, async (t) => {
    const server = await serve(t, answer, answer, json(200, issued()));
    const client = new TokenClient({ baseUrl: server.url, surroundings: new Clock().surroundings });
    assert.deepEqual(await client.generateToken(REQUEST), issued());
    assert.deepEqual(
      server.received.map(({ body }) => body),
      [REQUEST, REQUEST, REQUEST],
    );
  });
}

const lasting: Record<string, Answer> = {
  400: failure(400, "VALIDATION_ERROR"),
  401: failure(401, "UNAUTHENTICATED"),
  403: failure(403, "ROOM_NOT_ALLOWED"),
  404: failure(404, "NOT_FOUND"),
  405: failure(405, "METHOD_NOT_ALLOWED"),
  408: failure(408, "REQUEST_TIMEOUT"),
  413: failure(413, "PAYLOAD_TOO_LARGE"),
  415: failure(415, "UNSUPPORTED_MEDIA_TYPE"),
};
for (const [status, answer] of Object.entries(lasting)) {
  test(`what would fail again is not retried: ${status}`, async (t) => {
    const server = await serve(t, answer);
    const client = new TokenClient({ baseUrl: server.url, surroundings: new Clock().surroundings });
    await assert.rejects(client.generateToken(REQUEST), (error: unknown) => {
      assert.ok(error instanceof TokenApiError);
      return error.statusCode === Number(status);
    });
    assert.equal(server.received.length, 1);
  });
}

test("a request is repeated twice, and the last failure is the one that is told", async (t) => {
  const server = await serve(t, reset, failure(500, "INTERNAL_ERROR"), html(502));
  const clock = new Clock();
  const client = new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings });
  await assert.rejects(client.createConnectionDetails(), UnexpectedAnswerError);
  assert.equal(server.received.length, 3);
  assert.equal(clock.slept.length, 2);
});

test("nobody listens", async () => {
  const clock = new Clock();
  const client = new TokenClient({ baseUrl: "http://127.0.0.1:9/api", surroundings: clock.surroundings });
  await assert.rejects(client.generateToken(REQUEST), NoAnswerError);
  assert.equal(clock.slept.length, 2);
});

test("the wait is up to 0.5 s, then up to 1 s, as chance has it", async (t) => {
  for (const [chances, slept] of [
    [
      [0, 0],
      [0, 0],
    ],
    [
      [0.5, 0.25],
      [250, 250],
    ],
    [
      [0.75, 0.75],
      [375, 750],
    ],
  ] as const) {
    const server = await serve(t, reset, reset, json(200, issued()));
    const clock = new Clock(...chances);
    await new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings }).generateToken(REQUEST);
    assert.deepEqual(clock.slept, slept);
  }
});

test("nobody comes back before Retry-After", async (t) => {
  const limited = failure(429, "RATE_LIMITED", { headers: { "Retry-After": "7" } });
  const overloaded = failure(503, "OVERLOADED", { headers: { "Retry-After": "30" } });
  const server = await serve(t, limited, overloaded, json(200, issued()));
  const clock = new Clock(0, 0.5);
  await new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings }).generateToken(REQUEST);
  assert.deepEqual(clock.slept, [7000, 30_500]);
});

test("whoever would wait longer than 30 s is told instead", async (t) => {
  const server = await serve(t, failure(429, "RATE_LIMITED", { headers: { "Retry-After": "31" } }));
  const clock = new Clock();
  const client = new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings });
  await assert.rejects(client.generateToken(REQUEST), (error: unknown) => {
    assert.ok(error instanceof TokenApiError);
    return error.errorCode === "RATE_LIMITED" && error.retryAfterSeconds === 31;
  });
  assert.deepEqual(clock.slept, []);
});

test("a call waits by the real clock, too", async (t) => {
  const server = await serve(
    t,
    failure(429, "RATE_LIMITED", { headers: { "Retry-After": "1" } }),
    json(200, issued()),
  );
  const begin = performance.now();
  await new TokenClient({ baseUrl: server.url, surroundings: { random: () => 0 } }).generateToken(REQUEST);
  // Timers may be a millisecond early.
  assert.ok(performance.now() - begin >= 999);
});

test("an aborted call asks nothing", async (t) => {
  const server = await serve(t);
  const client = new TokenClient({ baseUrl: server.url });
  const signal = AbortSignal.abort(new Error("gone"));
  for (const call of [
    client.generateToken(REQUEST, { signal }),
    client.createConnectionDetails({}, { signal }),
  ]) {
    await assert.rejects(call, { message: "gone" });
  }
  assert.equal(server.received.length, 0);
});

// Whoever does not notice waits for longer than this.
const hung = { timeout: 20_000 };

test("a call can be aborted while it waits for the answer", hung, async (t) => {
  const server = await serve(t, silence);
  const controller = new AbortController();
  const clock = new Clock();
  const client = new TokenClient({
    baseUrl: server.url,
    timeoutMs: 60_000,
    surroundings: clock.surroundings,
  });
  const call = client.createConnectionDetails({}, controller);
  await server.asked;
  controller.abort(new Error("gone"));
  await assert.rejects(call, { message: "gone" });
  await server.received[0]?.dropped;
  assert.equal(server.received.length, 1);
  assert.deepEqual(clock.slept, []);
});

test("a call can be aborted while it waits for a retry", hung, async (t) => {
  const server = await serve(t, failure(429, "RATE_LIMITED", { headers: { "Retry-After": "30" } }));
  const controller = new AbortController();
  // Asked for when it is known how long to wait, just before that.
  const random = (): number => {
    setTimeout(() => controller.abort(new Error("gone")));
    return 0;
  };
  const client = new TokenClient({ baseUrl: server.url, surroundings: { random } });
  await assert.rejects(client.createConnectionDetails({}, controller), { message: "gone" });
  assert.equal(server.received.length, 1);
});
