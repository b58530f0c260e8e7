import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { TokenApiError, TokenClient } from "../../src/index.js";
import { tokenSource } from "../../src/livekit.js";

const REQUEST = { roomName: "my-room", participantIdentity: "alice" };

/** The addresses of running services, which whoever runs these tests has started. */
function given(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: tests/e2e/test_typescript_client.py runs these tests`);
  return value;
}

const open = (): TokenClient => new TokenClient({ baseUrl: given("OPEN_API") });
const guarded = (apiKey: string): TokenClient =>
  new TokenClient({ baseUrl: given("GUARDED_API"), credential: { apiKey } });

async function failureOf(call: Promise<unknown>): Promise<TokenApiError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TokenApiError, String(error));
  return error;
}

test("a token is issued, and kept", async () => {
  const client = open();
  const answer = await client.generateToken({ ...REQUEST, participantName: "Zoë" });
  assert.equal(answer.roomName, "my-room");
  assert.equal(answer.participantIdentity, "alice");
  assert.equal(answer.serverUrl, "wss://livekit.example.com");
  assert.ok(Math.abs(Date.parse(answer.expiresAt) - Date.now() - 3600_000) < 10_000);
  assert.equal(await client.generateToken({ participantName: "Zoë", ...REQUEST }), answer);
});

test("a token is kept until a minute before its end", async () => {
  let later = 0;
  const client = new TokenClient({
    baseUrl: given("OPEN_API"),
    surroundings: { now: () => Date.now() + later },
  });
  const answer = await client.generateToken({ ...REQUEST, expirationSeconds: 120 });
  later = 55_000;
  assert.equal(await client.generateToken({ ...REQUEST, expirationSeconds: 120 }), answer);
  later = 60_000;
  assert.notEqual(await client.generateToken({ ...REQUEST, expirationSeconds: 120 }), answer);
});

test("every fault of a request is told", async () => {
  const error = await failureOf(open().generateToken({ roomName: "my room", participantIdentity: "" }));
  assert.equal(error.errorCode, "VALIDATION_ERROR");
  assert.equal(error.statusCode, 400);
  assert.deepEqual(error.validationErrors.map(({ field }) => field).sort(), [
    "participantIdentity",
    "roomName",
  ]);
  assert.match(error.requestId, /^[0-9a-f]{32}$/);
});

test("a LiveKit client gets a room of its own each time", async () => {
  const source = tokenSource(open());
  const first = await source.fetch({});
  assert.equal(first.serverUrl, "wss://livekit.example.com");
  assert.deepEqual(await source.fetch({}), first);
  assert.notDeepEqual(await source.fetch({}, true), first);
});

test("a LiveKit client's request has what the contract allows", async () => {
  const source = tokenSource(open());
  const { participantToken } = await source.fetch({
    roomName: "my-room",
    participantIdentity: "auth0|alice@example.com",
    participantName: "Alice",
    participantMetadata: "{}",
    participantAttributes: { lang: "de" },
    agentName: "concierge",
    agentMetadata: "billing",
    deployment: "production",
  });
  const claims = JSON.parse(Buffer.from(participantToken?.split(".")[1] ?? "", "base64url").toString());
  assert.equal(claims.sub, "auth0|alice@example.com");
  assert.equal(claims.roomConfig.agents[0].agentName, "concierge");
});

test("the client has the version of the service", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual(await open().checkLiveness(), { status: "live", version });
});

test("the service is ready", async () => {
  assert.equal((await open().checkReadiness()).status, "ready");
});

test("an API key opens the door, and another one does not", async () => {
  assert.ok((await guarded(given("API_KEY")).generateToken(REQUEST)).token);
  for (const client of [guarded("another"), new TokenClient({ baseUrl: given("GUARDED_API") })]) {
    assert.equal((await failureOf(client.generateToken(REQUEST))).errorCode, "UNAUTHENTICATED");
  }
});

test("a caller token says who the participant is, and nobody gets another caller's", async () => {
  let caller = given("CALLER_ALICE");
  const client = new TokenClient({
    baseUrl: given("CALLERS_API"),
    credential: { bearer: async () => caller },
  });
  const hers = await client.generateToken({ roomName: "my-room" });
  assert.equal(hers.participantIdentity, "alice");
  const mismatch = await failureOf(client.generateToken({ roomName: "my-room", participantIdentity: "ben" }));
  assert.equal(mismatch.errorCode, "IDENTITY_MISMATCH");
  caller = given("CALLER_BEN");
  assert.equal((await client.generateToken({ roomName: "my-room" })).participantIdentity, "ben");
  caller = given("CALLER_ALICE");
  assert.equal(await client.generateToken({ roomName: "my-room" }), hers);
});

test("whoever asks too often is served after Retry-After", async () => {
  const client = new TokenClient({ baseUrl: given("LIMITED_API") });
  const statuses: number[] = [];
  const counting: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    return response;
  };
  await client.generateToken(REQUEST);
  const other = new TokenClient({ baseUrl: given("LIMITED_API"), surroundings: { fetch: counting } });
  assert.ok((await other.generateToken(REQUEST)).token);
  assert.deepEqual(statuses, [429, 200]);
});

test("whoever would have to wait long is told how long", async () => {
  const client = new TokenClient({ baseUrl: given("STINGY_API") });
  await client.generateToken(REQUEST);
  const error = await failureOf(client.generateToken(REQUEST, { fresh: true }));
  assert.equal(error.errorCode, "RATE_LIMITED");
  assert.ok(error.retryAfterSeconds && error.retryAfterSeconds > 60);
});

test("a service without credentials says so, when asked three times", async () => {
  let requests = 0;
  const counting: typeof fetch = (...request) => {
    requests += 1;
    return fetch(...request);
  };
  const client = new TokenClient({ baseUrl: given("BARE_API"), surroundings: { fetch: counting } });
  assert.equal((await failureOf(client.generateToken(REQUEST))).errorCode, "MISSING_CREDENTIALS");
  assert.equal(requests, 3);
  assert.deepEqual((await failureOf(client.checkReadiness())).reasons, [
    "missing_credentials",
    "authentication_off",
  ]);
});
