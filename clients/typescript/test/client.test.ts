import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { NoAnswerError, TokenApiError, TokenClient, UnexpectedAnswerError } from "../src/index.js";
import { Clock, failure, issued, json, REQUEST, reset, serve, silence, stall } from "./support.js";

const DETAILS = {
  server_url: "wss://livekit.example.com",
  participant_token: issued().token,
  room_name: "my-room",
  participant_name: "alice",
};

test("each operation is asked for as the contract says", async (t) => {
  const live = { status: "live", version: "1.1.0" };
  const ready = { status: "ready", reasons: [] };
  const server = await serve(t, json(200, issued()), json(201, DETAILS), json(200, live), json(200, ready));
  const client = new TokenClient({ baseUrl: server.url });
  assert.deepEqual(await client.generateToken({ ...REQUEST, expirationSeconds: 600 }), issued());
  assert.deepEqual(await client.createConnectionDetails(), DETAILS);
  assert.deepEqual(await client.checkLiveness(), live);
  assert.deepEqual(await client.checkReadiness(), ready);
  assert.deepEqual(
    server.received.map(({ method, url, body }) => [method, url, body]),
    [
      ["POST", "/api/token", { ...REQUEST, expirationSeconds: 600 }],
      ["POST", "/api/connection-details", {}],
      ["GET", "/api/health/live", undefined],
      ["GET", "/api/health/ready", undefined],
    ],
  );
  assert.equal(server.received[0]?.headers["content-type"], "application/json");
  assert.equal(
    server.received[0]?.headers["content-length"],
    String(JSON.stringify(server.received[0]?.body).length),
  );
  assert.equal(server.received[0]?.headers.authorization, undefined);
  assert.equal(server.received[0]?.headers["x-api-key"], undefined);
});

test("a slash at the end of the base URL does not matter", async (t) => {
  const server = await serve(t, json(200, issued()));
  await new TokenClient({ baseUrl: `${server.url}/` }).generateToken(REQUEST);
  assert.equal(server.received[0]?.url, "/api/token");
});

test("an API key is sent with tokens, and not with health checks", async (t) => {
  const server = await serve(t, json(200, issued()), json(201, DETAILS), json(200, { status: "live" }));
  const client = new TokenClient({ baseUrl: server.url, credential: { apiKey: "key-1" } });
  await client.generateToken(REQUEST);
  await client.createConnectionDetails();
  await client.checkLiveness();
  assert.deepEqual(
    server.received.map(({ headers }) => headers["x-api-key"]),
    ["key-1", "key-1", undefined],
  );
});

test("a function is asked for the caller token before each call", async (t) => {
  const server = await serve(t, json(201, DETAILS), json(201, DETAILS));
  let renewals = 0;
  const bearer = async (): Promise<string> => `caller-${(renewals += 1)}`;
  const client = new TokenClient({ baseUrl: server.url, credential: { bearer } });
  await client.createConnectionDetails();
  await client.createConnectionDetails();
  const sent = server.received.map(({ headers }) => headers.authorization);
  assert.deepEqual(sent, ["Bearer caller-1", "Bearer caller-2"]);
});

test("what the caller's own function throws, the caller gets", async (t) => {
  const server = await serve(t);
  const signedOut = new Error("signed out");
  const bearer = (): string => {
    throw signedOut;
  };
  const client = new TokenClient({ baseUrl: server.url, credential: { bearer } });
  await assert.rejects(client.generateToken(REQUEST), signedOut);
  assert.equal(server.received.length, 0);
});

for (const credential of ["", "two words", "line\nbreak", "kéy"]) {
  test(`no credential is ${JSON.stringify(credential)}, and the message does not show it`, async (t) => {
    const server = await serve(t);
    for (const given of [{ apiKey: credential }, { bearer: credential }]) {
      const client = new TokenClient({ baseUrl: server.url, credential: given });
      await assert.rejects(client.generateToken(REQUEST), (error: unknown) => {
        assert.ok(error instanceof TypeError);
        return credential === "" || !inspect(error, { depth: null }).includes(credential);
      });
    }
    assert.equal(server.received.length, 0);
  });
}

test("no error and no client shows the credential or the token", async (t) => {
  const secrets = ["secret-of-the-caller", issued().token];
  const answers = [json(200, issued()), failure(400, "VALIDATION_ERROR"), reset, reset, reset];
  const server = await serve(t, ...answers);
  const client = new TokenClient({
    baseUrl: server.url,
    credential: { bearer: "secret-of-the-caller" },
    surroundings: new Clock().surroundings,
  });
  await client.generateToken(REQUEST);
  const details = async (): Promise<unknown> => await rejection(client.createConnectionDetails());
  const shown = [client, await details(), await details()];
  assert.ok(shown[1] instanceof TokenApiError);
  assert.ok(shown[2] instanceof NoAnswerError);
  for (const value of shown) {
    const text = inspect(value, { depth: null, showHidden: true }) + JSON.stringify(value);
    assert.ok(secrets.every((secret) => !text.includes(secret)));
  }
});

for (const [name, never] of Object.entries({ silence, stall })) {
  test(`an answer is waited for so long, and no longer: ${name}`, async (t) => {
    const server = await serve(t, never, never, never);
    const clock = new Clock();
    const client = new TokenClient({ baseUrl: server.url, timeoutMs: 200, surroundings: clock.surroundings });
    const error = await rejection(client.generateToken(REQUEST));
    assert.ok(error instanceof NoAnswerError);
    assert.equal((error.cause as Error).name, "TimeoutError");
    assert.equal(clock.slept.length, 2);
    await Promise.all(server.received.map(({ dropped }) => dropped));
  });
}

test("an API key is not carried to where a redirection leads, and the answer is told at once", async (t) => {
  const elsewhere = await serve(t, json(200, issued()));
  const server = await serve(t, json(307, {}, { Location: `${elsewhere.url}/token` }));
  const client = new TokenClient({ baseUrl: server.url, credential: { apiKey: "key-1" } });
  const error = await rejection(client.generateToken(REQUEST));
  assert.ok(error instanceof UnexpectedAnswerError);
  assert.equal(error.statusCode, 307);
  assert.match(error.message, /leads elsewhere/);
  assert.equal(server.received.length, 1);
  assert.equal(elsewhere.received.length, 0);
});

test("a health check asks once: it tells how it is now", async (t) => {
  const notReady = failure(503, "NOT_READY", { reasons: ["draining"], headers: { "Retry-After": "1" } });
  const server = await serve(t, notReady, reset);
  const clock = new Clock();
  const client = new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings });
  assert.ok((await rejection(client.checkReadiness())) instanceof TokenApiError);
  assert.ok((await rejection(client.checkLiveness())) instanceof NoAnswerError);
  assert.equal(server.received.length, 2);
  assert.deepEqual(clock.slept, []);
});

for (const baseUrl of [
  "https://user:hunter2@tokens/api",
  "//hunter2@tokens/api",
  "/api?hunter2",
  "https://tokens/api#hunter2",
]) {
  test(`no base URL is ${baseUrl}, and the message does not show it`, () => {
    assert.throws(
      () => new TokenClient({ baseUrl }),
      (error) => error instanceof TypeError && !error.message.includes("hunter2"),
    );
  });
}

test("what knows no caller token sends none", async (t) => {
  const server = await serve(t);
  const bearer = (() => undefined) as unknown as () => string;
  const client = new TokenClient({ baseUrl: server.url, credential: { bearer } });
  assert.ok((await rejection(client.generateToken(REQUEST))) instanceof TypeError);
  assert.equal(server.received.length, 0);
});

test("who has all the time there is waits", async (t) => {
  const server = await serve(t, json(200, issued()));
  const client = new TokenClient({ baseUrl: server.url, timeoutMs: Infinity });
  assert.deepEqual(await client.generateToken(REQUEST), issued());
  assert.equal(server.received.length, 1);
});

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );
}
