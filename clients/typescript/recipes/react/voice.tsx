import { RoomAudioRenderer, SessionProvider, useSession } from "@livekit/components-react";
import type { TokenSourceConfigurable } from "livekit-client";
import type { ReactNode } from "react";

interface VoiceProps {
  /** `tokenSource(client)`, made once, outside of the component. */
  readonly source: TokenSourceConfigurable;
}

/** A voice session with an agent; each has a room of its own. */
export function Voice({ source }: VoiceProps): ReactNode {
  const session = useSession(source, { agentName: "concierge" });
  return (
    <SessionProvider session={session}>
      <p>{session.connectionState}</p>
      <button type="button" onClick={() => void session.start()}>
        Talk
      </button>
      <RoomAudioRenderer room={session.room} />
    </SessionProvider>
  );
}
