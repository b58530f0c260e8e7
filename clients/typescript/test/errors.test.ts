import assert from "node:assert/strict";
import { test } from "node:test";

import { failureOf, TokenApiError, TokenClient, UnexpectedAnswerError } from "../src/index.js";
import { failure, html, issued, json, NOON, REQUEST, serve, type Answer } from "./support.js";

const noHeader = (): null => null;

test("a failure says what to change, and for which request", async (t) => {
  const validationErrors = [
    { field: "participantIdentity", message: "is required" },
    { field: "roomName", message: "must not be empty" },
  ];
  const server = await serve(t, failure(400, "VALIDATION_ERROR", { validationErrors }));
  await assert.rejects(
    new TokenClient({ baseUrl: server.url }).generateToken({ roomName: "" }),
    (error: unknown) => {
      assert.ok(error instanceof TokenApiError);
      const { errorCode, statusCode, requestId, timestamp, reasons, retryAfterSeconds } = error;
      assert.deepEqual(
        { errorCode, statusCode, requestId, timestamp, reasons, retryAfterSeconds },
        {
          errorCode: "VALIDATION_ERROR",
          statusCode: 400,
          requestId: "0f2d8c7a",
          timestamp: "2026-11-23T12:00:00Z",
          reasons: [],
          retryAfterSeconds: undefined,
        },
      );
      assert.deepEqual(error.validationErrors, validationErrors);
      assert.equal(
        String(error),
        "TokenApiError: VALIDATION_ERROR: It did not work.\n" +
          "participantIdentity is required\nroomName must not be empty\nrequest 0f2d8c7a",
      );
      return true;
    },
  );
});

test("reasons are those of the answer", () => {
  const error = failureOf(503, noHeader, {
    statusCode: 503,
    errorCode: "NOT_READY",
    message: "Not yet.",
    timestamp: "2026-11-23T12:00:00Z",
    requestId: "0f2d8c7a",
    reasons: ["missing_credentials"],
  });
  assert.ok(error instanceof TokenApiError);
  assert.deepEqual(error.reasons, ["missing_credentials"]);
});

const others: Record<string, [Answer, number]> = {
  "a proxy's page": [html(404), 404],
  "the page of another server": [html(200), 200],
  "JSON of another form": [json(403, { error: "forbidden" }), 403],
  "another service's error": [json(403, { errorCode: "FORBIDDEN", message: "No." }), 403],
  "no object": [json(200, "token"), 200],
  "a success of another service": [json(200, { status: "ok" }), 200],
  "a list": [json(200, [issued()]), 200],
  "a token that is no text": [json(200, { ...issued(), token: 1 }), 200],
  "faults that are none": [failure(400, "VALIDATION_ERROR", { validationErrors: [null] as never }), 400],
  "faults that are no list": [failure(400, "VALIDATION_ERROR", { validationErrors: "x" as never }), 400],
  "reasons that are no texts": [failure(400, "VALIDATION_ERROR", { reasons: [1] as never }), 400],
  nothing: [(response) => response.writeHead(204).end(), 204],
};
for (const [name, [answer, status]] of Object.entries(others)) {
  test(`an answer that is not the service's is told apart: ${name}`, async (t) => {
    const server = await serve(t, answer);
    await assert.rejects(
      new TokenClient({ baseUrl: server.url }).generateToken(REQUEST),
      (error: unknown) => {
        assert.ok(error instanceof UnexpectedAnswerError);
        return error.statusCode === status;
      },
    );
    assert.equal(server.received.length, 1);
  });
}

test("an answer that does not end is not read to its end", async (t) => {
  const piece = Buffer.alloc(1 << 16, " ");
  let sent = 0;
  const server = await serve(t, (response) => {
    const write = (): void => {
      while (!response.destroyed && response.write(piece)) {
        sent += piece.length;
      }
    };
    response.on("drain", write);
    write();
  });
  await assert.rejects(
    new TokenClient({ baseUrl: server.url }).generateToken(REQUEST),
    UnexpectedAnswerError,
  );
  await server.received[0]?.dropped;
  assert.ok(sent < 50_000_000);
});

const written: [string | null, number | undefined][] = [
  [null, undefined],
  ["42", 42],
  [new Date(NOON + 90_000).toUTCString(), 90],
  [new Date(NOON - 90_000).toUTCString(), 0],
  ["soon", undefined],
  ["1.5", undefined],
  ["-1", undefined],
  ["9".repeat(400), Infinity],
];
for (const [header, seconds] of written) {
  test(`Retry-After: ${header} is ${seconds} s`, () => {
    const error = failureOf(429, (name) => (name === "Retry-After" ? header : null), "Too many", NOON);
    assert.equal(error.retryAfterSeconds, seconds);
  });
}

test("a date in Retry-After is compared with the answer's own, for the clocks may differ", () => {
  const headers: Record<string, string> = {
    "Retry-After": new Date(NOON + 5000).toUTCString(),
    Date: new Date(NOON).toUTCString(),
  };
  const error = failureOf(429, (name) => headers[name] ?? null, "Too many", NOON - 7200_000);
  assert.equal(error.retryAfterSeconds, 5);
});
