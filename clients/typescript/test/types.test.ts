import assert from "node:assert/strict";
import { test } from "node:test";

import { type ErrorCode, type TokenClient, type TokenClientError, TokenApiError } from "../src/index.js";

/** Never called: what is not marked has to compile, and what is marked must not. */
export async function asked(client: TokenClient): Promise<void> {
  const { token, serverUrl } = await client.generateToken({ roomName: "my-room" });
  token satisfies string;
  // @ts-expect-error The operator may not have configured one.
  serverUrl satisfies string;
  // @ts-expect-error A room is required.
  await client.generateToken({ participantIdentity: "alice" });
  // @ts-expect-error The contract has no such property.
  await client.generateToken({ roomName: "my-room", roomNme: "my-room" });
  // @ts-expect-error Seconds are a number.
  await client.generateToken({ roomName: "my-room", expirationSeconds: "600" });
  // @ts-expect-error Of the room only agents may be chosen.
  await client.createConnectionDetails({ room_config: { egress: {} } });
  const answer = await client.createConnectionDetails({ participant_attributes: { lang: "de" } });
  // @ts-expect-error It is `participant_token`.
  void answer.token;
  // @ts-expect-error It is not the caller's to change: others are given the same answer.
  (await client.generateToken({ roomName: "my-room" })).token = "";
  // @ts-expect-error A caller is known by one credential.
  credential satisfies ConstructorParameters<typeof TokenClient>[0]["credential"];
}

const credential = { token: "caller-token" };

/** Say what to do; each kind of failure is known, and its properties with it. */
export function advice(error: TokenClientError): string {
  switch (error.name) {
    case "NoAnswerError":
      return "try later";
    case "UnexpectedAnswerError":
      return `not the service: ${error.statusCode}`;
    case "TokenApiError":
      // @ts-expect-error No such code is in the contract.
      if (error.errorCode === "ROOM_FULL") {
        return "";
      }
      return error.errorCode === "VALIDATION_ERROR"
        ? error.validationErrors.map(({ field }) => field).join()
        : error.requestId;
  }
}

/** Every code of the contract, and no other: else this does not compile. */
export const WHO_CAN_MEND_IT: Record<ErrorCode, "caller" | "operator"> = {
  VALIDATION_ERROR: "caller",
  UNAUTHENTICATED: "caller",
  AGENT_NOT_ALLOWED: "caller",
  IDENTITY_MISMATCH: "caller",
  IDENTITY_UNUSABLE: "operator",
  ROOM_NOT_ALLOWED: "caller",
  NOT_FOUND: "caller",
  METHOD_NOT_ALLOWED: "caller",
  REQUEST_TIMEOUT: "caller",
  PAYLOAD_TOO_LARGE: "caller",
  UNSUPPORTED_MEDIA_TYPE: "caller",
  RATE_LIMITED: "caller",
  MISSING_CREDENTIALS: "operator",
  TOKEN_GENERATION_FAILED: "operator",
  INTERNAL_ERROR: "operator",
  NOT_READY: "operator",
  OVERLOADED: "operator",
  AUDIT_UNAVAILABLE: "operator",
};

test("an error's name tells its class", () => {
  const answer = {
    statusCode: 400,
    errorCode: "NOT_FOUND",
    message: "No.",
    timestamp: "",
    requestId: "1",
  } as const;
  assert.equal(advice(new TokenApiError(answer, 404)), "1");
});
