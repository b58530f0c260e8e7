import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { TokenApiError, TokenClient, type TokenClientOptions } from "../src/index.js";
import { Clock, failure, issued, json, NOON, REQUEST, type Server, serve, silence } from "./support.js";

async function start(
  t: TestContext,
  options: Partial<TokenClientOptions> = {},
): Promise<{ server: Server; clock: Clock; client: TokenClient }> {
  const answers = [1, 2, 3].map((serial) => json(200, issued(3600, serial)));
  const server = await serve(t, ...answers);
  const clock = new Clock();
  const client = new TokenClient({ baseUrl: server.url, surroundings: clock.surroundings, ...options });
  return { server, clock, client };
}

test("the same request gets the same token, whatever the order of its properties", async (t) => {
  const { server, client } = await start(t);
  const first = await client.generateToken({ roomName: "my-room", participantIdentity: "alice" });
  assert.equal(await client.generateToken({ participantIdentity: "alice", roomName: "my-room" }), first);
  assert.equal(server.received.length, 1);
});

test("a token is kept until a minute before it expires", async (t) => {
  const { client, clock } = await start(t);
  assert.deepEqual(await client.generateToken(REQUEST), issued(3600, 1));
  clock.time = NOON + 3540_000 - 1;
  assert.deepEqual(await client.generateToken(REQUEST), issued(3600, 1));
  clock.time = NOON + 3540_000;
  assert.deepEqual(await client.generateToken(REQUEST), issued(3600, 2));
});

test("a clock that is hours off changes nothing", async (t) => {
  for (const off of [-7200_000, 7200_000]) {
    const { server, client, clock } = await start(t);
    clock.time = NOON + off;
    await client.generateToken(REQUEST);
    clock.time += 3540_000 - 1;
    await client.generateToken(REQUEST);
    assert.equal(server.received.length, 1);
    clock.time += 1;
    await client.generateToken(REQUEST);
    assert.equal(server.received.length, 2);
  }
});

test("a token that was got before the clock was set back is not kept", async (t) => {
  const { client, clock } = await start(t);
  await client.generateToken(REQUEST);
  clock.time -= 7200_000;
  assert.deepEqual(await client.generateToken(REQUEST), issued(3600, 2));
});

test("another request gets another token", async (t) => {
  const { server, client } = await start(t);
  await client.generateToken(REQUEST);
  await client.generateToken({ ...REQUEST, participantIdentity: "bob" });
  await client.generateToken({ ...REQUEST, expirationSeconds: 600 });
  assert.equal(server.received.length, 3);
});

test("another caller gets another token, and the first one's is still there", async (t) => {
  let caller = "alice";
  const { server, client } = await start(t, { credential: { bearer: () => caller } });
  const request = { roomName: "my-room" };
  const hers = await client.generateToken(request);
  caller = "bob";
  assert.notEqual(await client.generateToken(request), hers);
  caller = "alice";
  assert.equal(await client.generateToken(request), hers);
  assert.equal(server.received.length, 2);
});

test("a fresh one is another", async (t) => {
  const { server, client } = await start(t);
  await client.generateToken(REQUEST);
  const fresh = await client.generateToken(REQUEST, { fresh: true });
  assert.deepEqual(fresh, issued(3600, 2));
  assert.equal(await client.generateToken(REQUEST), fresh);
  assert.equal(server.received.length, 2);
});

test("a token that is valid for a minute, or that cannot be read, is not kept", async (t) => {
  for (const answer of [issued(60), { ...issued(), token: "a.b.c" }, { ...issued(), token: "opaque" }]) {
    const server = await serve(t, json(200, answer), json(200, answer));
    const client = new TokenClient({ baseUrl: server.url, surroundings: new Clock().surroundings });
    await client.generateToken(REQUEST);
    await client.generateToken(REQUEST);
    assert.equal(server.received.length, 2);
  }
});

test("a failure is not kept", async (t) => {
  const server = await serve(t, failure(403, "ROOM_NOT_ALLOWED"), json(200, issued()));
  const client = new TokenClient({ baseUrl: server.url });
  await assert.rejects(client.generateToken(REQUEST), TokenApiError);
  assert.deepEqual(await client.generateToken(REQUEST), issued());
});

test("whoever asks for the same at once shares one request", async (t) => {
  const { server, client } = await start(t);
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.generateToken(REQUEST)));
  assert.equal(new Set(answers).size, 1);
  assert.equal(server.received.length, 1);
});

test("whoever asks for the same at once shares a failure as well", async (t) => {
  const server = await serve(t, failure(403, "ROOM_NOT_ALLOWED"));
  const client = new TokenClient({ baseUrl: server.url });
  const calls = await Promise.allSettled([client.generateToken(REQUEST), client.generateToken(REQUEST)]);
  assert.deepEqual(
    calls.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(server.received.length, 1);
});

test("who leaves does not take the request from those who wait, or come later", async (t) => {
  let answer = (): void => undefined;
  const server = await serve(t, (response) => {
    answer = () => json(200, issued())(response);
  });
  const client = new TokenClient({ baseUrl: server.url });
  const controller = new AbortController();
  const leaves = client.generateToken(REQUEST, controller);
  const stays = client.generateToken(REQUEST);
  await server.asked;
  controller.abort(new Error("gone"));
  await assert.rejects(leaves, { message: "gone" });
  const later = client.generateToken(REQUEST);
  answer();
  assert.equal(await stays, await later);
  assert.equal(server.received.length, 1);
});

// Whoever does not notice that all have left waits for an answer that does not come.
const hung = { timeout: 20_000 };

test("when all have left, the request ends, and whoever comes then makes a new one", hung, async (t) => {
  const server = await serve(t, silence, json(200, issued()));
  const client = new TokenClient({ baseUrl: server.url, timeoutMs: 60_000 });
  const controller = new AbortController();
  const calls = [client.generateToken(REQUEST, controller), client.generateToken(REQUEST, controller)];
  await server.asked;
  controller.abort(new Error("gone"));
  const next = client.generateToken(REQUEST);
  await Promise.all(calls.map((call) => assert.rejects(call, { message: "gone" })));
  await server.received[0]?.dropped;
  assert.deepEqual(await next, issued());
});

test("a fresh token is not the one that is on its way", hung, async (t) => {
  const server = await serve(t, silence, json(200, issued()));
  const client = new TokenClient({ baseUrl: server.url, timeoutMs: 60_000 });
  const controller = new AbortController();
  const first = client.generateToken(REQUEST, controller);
  await server.asked;
  assert.deepEqual(await client.generateToken(REQUEST, { fresh: true }), issued());
  controller.abort(new Error("gone"));
  await assert.rejects(first, { message: "gone" });
});

test("an answer that was asked for before a fresh one, and comes after it, does not take its place", async (t) => {
  let answer = (): void => undefined;
  const server = await serve(
    t,
    (response) => {
      answer = () => json(200, issued(3600, 1))(response);
    },
    json(200, issued(3600, 2)),
  );
  const client = new TokenClient({ baseUrl: server.url });
  const first = client.generateToken(REQUEST);
  await server.asked;
  const fresh = await client.generateToken(REQUEST, { fresh: true });
  answer();
  assert.notDeepEqual(await first, fresh);
  assert.equal(await client.generateToken(REQUEST), fresh);
});

test("a thousand tokens are kept, and then the oldest goes", async () => {
  let asked = 0;
  const fetch = async (): Promise<Response> => Response.json(issued(3600, (asked += 1)));
  const client = new TokenClient({
    baseUrl: "http://tokens/api",
    surroundings: { ...new Clock().surroundings, fetch },
  });
  const ask = async (n: number): Promise<unknown> =>
    await client.generateToken({ ...REQUEST, roomName: `room-${n}` });
  for (let n = 0; n <= 1000; n += 1) {
    await ask(n);
  }
  await ask(1);
  assert.equal(asked, 1001);
  await ask(0);
  assert.equal(asked, 1002);
});

test("connection details are not kept: the next ones may be for another room", async (t) => {
  const details = {
    server_url: "ws://x",
    participant_token: issued().token,
    room_name: "r",
    participant_name: "p",
  };
  const server = await serve(t, json(201, details), json(201, details));
  const client = new TokenClient({ baseUrl: server.url });
  await Promise.all([client.createConnectionDetails(), client.createConnectionDetails()]);
  assert.equal(server.received.length, 2);
});
