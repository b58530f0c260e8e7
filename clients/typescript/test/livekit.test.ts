import assert from "node:assert/strict";
import { test } from "node:test";

import { TokenApiError, TokenClient } from "../src/index.js";
import { tokenSource } from "../src/livekit.js";
import { Clock, failure, json, reset, serve, type Answer } from "./support.js";

// LiveKit reads this machine's clock.
function details(serial: number): Answer {
  const seconds = Math.floor(Date.now() / 1000);
  const claims = Buffer.from(JSON.stringify({ nbf: seconds, exp: seconds + 3600 })).toString("base64url");
  const token = `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${claims}.${serial}`;
  return json(201, {
    server_url: "ws://livekit",
    participant_token: token,
    room_name: "r",
    participant_name: "p",
  });
}

test("every option of LiveKit's is in the request, under the contract's name", async (t) => {
  const server = await serve(t, details(1));
  const source = tokenSource(new TokenClient({ baseUrl: server.url, credential: { apiKey: "key-1" } }));
  const answer = await source.fetch({
    roomName: "my-room",
    participantName: "Alice",
    participantIdentity: "alice",
    participantMetadata: "{}",
    participantAttributes: { lang: "de" },
    agentName: "concierge",
    agentMetadata: "billing",
    deployment: "production",
  });
  assert.equal(answer.serverUrl, "ws://livekit");
  assert.match(answer.participantToken ?? "", /\.1$/);
  assert.equal(server.received[0]?.url, "/api/connection-details");
  assert.equal(server.received[0]?.headers["x-api-key"], "key-1");
  assert.deepEqual(server.received[0]?.body, {
    room_name: "my-room",
    participant_name: "Alice",
    participant_identity: "alice",
    participant_metadata: "{}",
    participant_attributes: { lang: "de" },
    room_config: { agents: [{ agent_name: "concierge", metadata: "billing", deployment: "production" }] },
  });
});

test("what is not chosen is not in the request", async (t) => {
  const server = await serve(t, details(1), details(2));
  const source = tokenSource(new TokenClient({ baseUrl: server.url }));
  await source.fetch({});
  await source.fetch({ agentName: "concierge" });
  const agents = { room_config: { agents: [{ agent_name: "concierge" }] } };
  assert.deepEqual(
    server.received.map(({ body }) => body),
    [{}, agents],
  );
});

test("LiveKit keeps the token, until other options or a fresh one are asked for", async (t) => {
  const server = await serve(t, details(1), details(2), details(3));
  const source = tokenSource(new TokenClient({ baseUrl: server.url }));
  const serial = async (...request: Parameters<typeof source.fetch>): Promise<string | undefined> =>
    (await source.fetch(...request)).participantToken?.split(".")[2];
  assert.equal(await serial({ roomName: "a" }), "1");
  assert.equal(await serial({ roomName: "a" }), "1");
  assert.equal(await serial({ roomName: "b" }), "2");
  assert.equal(await serial({ roomName: "b" }, true), "3");
});

test("a source retries, and fails as the client does", async (t) => {
  const server = await serve(t, reset, details(1), failure(403, "AGENT_NOT_ALLOWED"));
  const source = tokenSource(
    new TokenClient({ baseUrl: server.url, surroundings: new Clock().surroundings }),
  );
  assert.equal((await source.fetch({})).serverUrl, "ws://livekit");
  await assert.rejects(source.fetch({ agentName: "spy" }), (error: unknown) => {
    assert.ok(error instanceof TokenApiError);
    return error.errorCode === "AGENT_NOT_ALLOWED";
  });
});
