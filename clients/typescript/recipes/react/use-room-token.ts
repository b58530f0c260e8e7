import type { TokenClient, TokenRequest, TokenResponse } from "livekit-token-api-client";
import { useEffect, useState } from "react";

/** What there is of a token; `error` is a `TokenClientError`, or what the caller's own `bearer` threw. */
export type RoomToken =
  | { readonly status: "pending" }
  | { readonly status: "issued"; readonly answer: Readonly<TokenResponse> }
  | { readonly status: "failed"; readonly error: unknown };

const PENDING: RoomToken = { status: "pending" };

/**
 * Get a token, and another one when the request changes; what is not waited for any more is aborted.
 *
 * @param client made once, outside of the component.
 */
export function useRoomToken(client: TokenClient, request: TokenRequest): RoomToken {
  // An object is another one at each rendering; its text is not.
  const wanted = JSON.stringify(request);
  const [got, setGot] = useState<{ readonly wanted: string; readonly token: RoomToken }>();
  useEffect(() => {
    const controller = new AbortController();
    const show = (token: RoomToken): void => {
      if (!controller.signal.aborted) {
        setGot({ wanted, token });
      }
    };
    client.generateToken(JSON.parse(wanted) as TokenRequest, controller).then(
      (answer) => show({ status: "issued", answer }),
      (error: unknown) => show({ status: "failed", error }),
    );
    return () => controller.abort();
  }, [client, wanted]);
  // The token of another room is none of this one.
  return got?.wanted === wanted ? got.token : PENDING;
}
