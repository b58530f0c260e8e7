import { TokenApiError, type TokenClient } from "livekit-token-api-client";
import type { ReactNode } from "react";

import { useRoomToken } from "./use-room-token.js";

interface LobbyProps {
  readonly client: TokenClient;
  readonly roomName: string;
  readonly identity: string;
}

/** Says whether the room is open; a real one would join it with `answer.token`. */
export function Lobby({ client, roomName, identity }: LobbyProps): ReactNode {
  const token = useRoomToken(client, { roomName, participantIdentity: identity });
  switch (token.status) {
    case "pending":
      return <p>Please wait.</p>;
    case "issued":
      return <p>{`${token.answer.participantIdentity} may enter ${token.answer.roomName}.`}</p>;
    case "failed":
      return <p role="alert">{textFor(token.error)}</p>;
  }
}

function textFor(error: unknown): string {
  if (!(error instanceof TokenApiError)) {
    return "The token service cannot be reached.";
  }
  switch (error.errorCode) {
    case "UNAUTHENTICATED":
      return "Please sign in.";
    case "ROOM_NOT_ALLOWED":
      return "This room is not open to you.";
    default:
      return `It did not work. Quote ${error.requestId} when you ask for help.`;
  }
}
