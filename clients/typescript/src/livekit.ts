import { TokenSource, type TokenSourceConfigurable, type TokenSourceFetchOptions } from "livekit-client";

import type { TokenClient } from "./client.js";
import type { AgentDispatch, ConnectionDetailsRequest } from "./schema.js";

/**
 * Make a token source for LiveKit's client SDK: as `TokenSource.endpoint(...)`, but with the client's
 * credential, retries and errors.
 *
 * LiveKit keeps its last token until a minute before it expires, or until the options change:
 * `source.fetch(options, true)` gets another. For another user, make another source.
 */
export function tokenSource(client: TokenClient): TokenSourceConfigurable {
  return TokenSource.custom(async (options) => {
    const { server_url, participant_token } = await client.createConnectionDetails(requestOf(options));
    return { serverUrl: server_url, participantToken: participant_token };
  });
}

function requestOf(options: TokenSourceFetchOptions): ConnectionDetailsRequest {
  const {
    roomName,
    participantName,
    participantIdentity,
    participantMetadata,
    participantAttributes,
    agentName,
    agentMetadata,
    deployment,
    ...others
  } = options;
  // Does not compile when LiveKit has an option that is missing above.
  others satisfies Record<string, never>;
  const agent = withoutUndefined({ agent_name: agentName, metadata: agentMetadata, deployment });
  return withoutUndefined({
    room_name: roomName,
    participant_name: participantName,
    participant_identity: participantIdentity,
    participant_metadata: participantMetadata,
    participant_attributes: participantAttributes,
    room_config: Object.keys(agent).length === 0 ? undefined : { agents: [agent satisfies AgentDispatch] },
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<T>;
}
