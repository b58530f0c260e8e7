import "../dom.js";

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { cleanup, render, screen } from "@testing-library/react";
import { TokenClient, type TokenRequest } from "livekit-token-api-client";
import { tokenSource } from "livekit-token-api-client/livekit";
import { StrictMode } from "react";

import { Lobby } from "./lobby.js";
import { Voice } from "./voice.js";

afterEach(cleanup);

/** A service that answers each request in turn; `null` is one that is never answered. */
function clientOf(...answers: (Response | null)[]): { client: TokenClient; requests: Request[] } {
  const requests: Request[] = [];
  const fetch: typeof globalThis.fetch = (request, init) => {
    requests.push(new Request(request, init));
    const answer = answers.shift() ?? null;
    return answer === null ? new Promise(() => undefined) : Promise.resolve(answer);
  };
  return { client: new TokenClient({ baseUrl: "http://tokens/api", surroundings: { fetch } }), requests };
}

function issued({
  roomName,
  participantIdentity,
}: Required<Pick<TokenRequest, "roomName" | "participantIdentity">>): Response {
  return Response.json({ token: "a.b.c", expiresAt: "2026-11-23T13:00:00Z", roomName, participantIdentity });
}

const ALICE = { roomName: "my-room", participantIdentity: "alice" };

test("a token is waited for, and shown, though strict mode mounts twice", async () => {
  const { client, requests } = clientOf(issued(ALICE));
  render(<Lobby client={client} roomName="my-room" identity="alice" />, { wrapper: StrictMode });
  assert.ok(screen.getByText("Please wait."));
  assert.ok(await screen.findByText("alice may enter my-room."));
  assert.deepEqual(await Promise.all(requests.map((request) => request.json())), [ALICE]);
});

test("a refusal is explained", async () => {
  const refusal = {
    statusCode: 403,
    errorCode: "ROOM_NOT_ALLOWED",
    message: "No.",
    timestamp: "2026-11-23T12:00:00Z",
    requestId: "0f2d8c7a",
  };
  const { client } = clientOf(Response.json(refusal, { status: 403 }));
  render(<Lobby client={client} roomName="my-room" identity="alice" />);
  assert.equal((await screen.findByRole("alert")).textContent, "This room is not open to you.");
});

test("whoever changes the room does not see the other one's token, and the request for it ends", async () => {
  const { client, requests } = clientOf(null, issued({ ...ALICE, roomName: "another" }));
  const { rerender } = render(<Lobby client={client} roomName="my-room" identity="alice" />);
  await new Promise((resolve) => setTimeout(resolve));
  rerender(<Lobby client={client} roomName="another" identity="alice" />);
  assert.ok(screen.getByText("Please wait."));
  assert.ok(await screen.findByText("alice may enter another."));
  assert.deepEqual(
    requests.map(({ signal }) => signal.aborted),
    [true, false],
  );
});

test("a request that is the same at each rendering is made once", async () => {
  const { client, requests } = clientOf(issued(ALICE));
  const { rerender } = render(<Lobby client={client} roomName="my-room" identity="alice" />);
  await screen.findByText("alice may enter my-room.");
  rerender(<Lobby client={client} roomName="my-room" identity="alice" />);
  assert.ok(screen.getByText("alice may enter my-room."));
  assert.equal(requests.length, 1);
});

test("LiveKit's session takes the token source, and asks it as soon as it is shown", async () => {
  const { client, requests } = clientOf(null);
  render(<Voice source={tokenSource(client)} />);
  assert.ok(screen.getByText("disconnected"));
  while (requests.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(await requests[0]?.json(), { room_config: { agents: [{ agent_name: "concierge" }] } });
});
