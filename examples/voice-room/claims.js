// A token's claims, in words.

const GRANTS = [
  ['join this room', (video) => video.roomJoin],
  ['hear the others', (video) => video.canSubscribe],
  ['publish a microphone', (video) => publishes(video, 'microphone')],
  ['publish a camera', (video) => publishes(video, 'camera')],
  ['share a screen', (video) => publishes(video, 'screen_share')],
  ['send data', (video) => video.canPublishData],
  ['administer the room', (video) => video.roomAdmin],
  ['create, list or record rooms', (video) => video.roomCreate || video.roomList || video.roomRecord],
  ['be there unseen', (video) => video.hidden],
];

/** What the token says, as [term, text] pairs; times in the reader's own zone. */
export function facts({ video = {}, sub, name, iss, nbf, exp }) {
  return [
    ['Room', video.room],
    ['Identity', sub],
    ['Name', name],
    ['Signed by', `API key ${iss}`],
    ['Valid', `${time(nbf)} to ${time(exp)}`],
  ];
}

/** What the token grants and what it does not, in words. */
export function grants({ video = {} }) {
  const words = (wanted) => GRANTS.filter(([, has]) => Boolean(has(video)) === wanted).map(([text]) => text);
  return { granted: words(true), withheld: words(false) };
}

/** How much of its life the token has left: in words, and as a share from 0 to 1. */
export function lifetime({ nbf, exp }, now = Date.now() / 1000) {
  const left = Math.max(0, Math.floor(exp - now));
  return { left: left > 0 ? `expires in ${clock(left)}` : 'expired', share: Math.min(1, left / (exp - nbf)) };
}

// LiveKit's defaults: what a token does not mention may be published.
function publishes({ canPublish = true, canPublishSources = [] }, source) {
  return canPublish && (canPublishSources.length === 0 || canPublishSources.includes(source));
}

function time(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString();
}

function clock(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const pad = (number) => String(number).padStart(2, '0');
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}
