// A voice session, from the token to the last goodbye.
import {
  decodeTokenPayload, Room, RoomEvent, TokenSource, Track, TrackEvent,
} from './vendor/livekit-client.esm.mjs';
import { apiUrl, signIn as provider } from './config.js';
import {
  ofConnection, ofDisconnection, ofLostSignIn, ofSignIn, ofSurprise, ofTokenService,
} from './failures.js';
import { watch } from './level.js';
import * as view from './view.js';

const signIn = provider ? await import('./sign-in.js') : undefined;
const back = signIn?.returned();
const query = new URLSearchParams(location.search);
const api = addressOf(query.get('api')).replace(/\/+$/, '');
const form = {
  name: document.getElementById('name'),
  room: document.getElementById('room'),
};

/**
 * Take another service from the page's own address only from this machine: it is given the microphone. And
 * never where people sign in: it would be given an access token.
 */
function addressOf(wanted) {
  const isNear = wanted !== null && ['127.0.0.1', 'localhost', '[::1]'].includes(URL.parse?.(wanted)?.hostname);
  return isNear && !signIn ? wanted : apiUrl;
}

/** Show whether this page joins or signs in next. */
function rest() {
  view.account(signIn?.person());
  view.state(signIn && !signIn.person() ? 'signed-out' : 'idle');
}

/** Leave for the provider, which sends people back to this page. */
async function leaveToSignIn() {
  view.failure();
  view.state('signing-in');
  try {
    await signIn.leave({ name: form.name.value, room: form.room.value });
  } catch (error) {
    view.failure(await ofSignIn(error, provider.issuer));
    rest();
  }
}

/** Carry on with what the provider answered. */
async function comeBack() {
  view.state('signing-in');
  try {
    await signIn.complete(back);
  } catch (error) {
    view.failure(await ofSignIn(error, provider.issuer));
  }
  rest();
}

async function join() {
  view.failure();
  view.news('');
  view.state('joining');
  const room = new Room();
  try {
    const found = await fetchDetails().catch(async (error) => refuse(await ofTokenService(error, api)));
    const joined = found && (await connect(room, found).catch((error) => view.failure(ofConnection(error, found.serverUrl))));
    if (!joined) {
      rest();
      return;
    }
    hold(room, decodeTokenPayload(found.participantToken));
  } catch (error) {
    await room.disconnect();
    view.failure(ofSurprise(error));
    rest();
    return;
  }
  await speak(room);
}

/** Show why there is no token. A sign-in that the service does not take is of no use any more. */
function refuse(found) {
  if (found.code === 'UNAUTHENTICATED' && signIn) {
    signIn.forget();
    view.failure(ofLostSignIn(found));
  } else {
    view.failure(found);
  }
}

// A source keeps its token, and would answer a second request without a room with the first one's room.
function fetchDetails() {
  const wishes = { participantName: form.name.value.trim(), roomName: form.room.value.trim() };
  const chosen = Object.entries(wishes).filter(([, value]) => value);
  const source = TokenSource.endpoint(`${api}/connection-details`, { headers: signIn?.headers() });
  return source.fetch(Object.fromEntries(chosen));
}

async function connect(room, { serverUrl, participantToken }) {
  room.on(RoomEvent.TrackSubscribed, play);
  await room.connect(serverUrl, participantToken);
  return true;
}

/** Show a room that has been joined, until it is left. */
function hold(room, claims) {
  const stops = [show(room), countDown(claims), follow(room), attend(room)];
  room.once(RoomEvent.Disconnected, (reason) => {
    stops.forEach((stop) => stop());
    view.failure(ofDisconnection(reason));
    rest();
  });
  view.claims(claims);
  view.room(room.name, invitation(room.name));
  view.note('');
  view.state('joined');
}

/** Publish the microphone; who has none can still listen. */
async function speak(room) {
  try {
    await room.localParticipant.setMicrophoneEnabled(true);
  } catch (error) {
    view.note(`No microphone: ${inWords(error)}.`);
  }
}

/** Keep the list of participants up to date. */
function show(room) {
  const changes = [
    RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged,
    RoomEvent.ActiveSpeakersChanged, RoomEvent.TrackMuted, RoomEvent.TrackUnmuted, RoomEvent.TrackPublished,
    RoomEvent.TrackUnpublished, RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished,
  ];
  const draw = () => view.participants([room.localParticipant, ...room.remoteParticipants.values()].map(
    (participant) => ({
      identity: participant.identity,
      name: participant.name,
      isMe: participant.isLocal,
      isSpeaking: participant.isSpeaking,
      isMuted: participant.getTrackPublication(Track.Source.Microphone)?.isMuted ?? false,
    }),
  ));
  changes.forEach((change) => room.on(change, draw));
  room.on(RoomEvent.ParticipantConnected, ({ name, identity }) => view.news(`${name || identity} joined`));
  room.on(RoomEvent.ParticipantDisconnected, ({ name, identity }) => view.news(`${name || identity} left`));
  room.on(RoomEvent.Reconnecting, () => view.state('reconnecting'));
  room.on(RoomEvent.Reconnected, () => view.state('joined'));
  draw();
  return () => view.participants([]);
}

function countDown(claims) {
  const timer = setInterval(() => view.countdown(claims), 1000);
  return () => clearInterval(timer);
}

/** Show the level of the microphone while there is one. */
function follow(room) {
  let stop = () => {};
  room.on(RoomEvent.LocalTrackPublished, ({ source, track }) => {
    if (source === Track.Source.Microphone) {
      stop();
      stop = watch(track, view.level);
    }
  });
  return () => stop();
}

/** Do what the buttons say. */
function attend(room) {
  const buttons = ['leave', 'mute', 'camera', 'sound'].map((id) => document.getElementById(`${id}-button`));
  const [leave, mute, camera, sound] = buttons;
  leave.onclick = () => room.disconnect();
  mute.onclick = () => toggleMicrophone(room, mute);
  camera.onclick = () => toggleCamera(room, camera);
  sound.onclick = () => room.startAudio();
  // Browsers play no sound before a click; the click on Join counts, unless the page was slow.
  const offerSound = () => {
    sound.hidden = room.canPlaybackAudio;
  };
  room.on(RoomEvent.AudioPlaybackStatusChanged, offerSound);
  offerSound();
  return () => {
    sound.hidden = true;
    mute.ariaPressed = 'false';
    camera.textContent = 'Try the camera';
  };
}

async function toggleMicrophone(room, button) {
  const { localParticipant: me } = room;
  try {
    await me.setMicrophoneEnabled(!me.isMicrophoneEnabled);
    view.note('');
  } catch (error) {
    view.note(`No microphone: ${inWords(error)}.`);
  }
  button.ariaPressed = String(!me.isMicrophoneEnabled);
}

async function toggleCamera(room, button) {
  const { localParticipant: me } = room;
  try {
    await me.setCameraEnabled(!me.isCameraEnabled);
    view.note(me.isCameraEnabled ? 'The camera is published: the token grants it.' : '');
  } catch (error) {
    view.note(`The camera is refused: ${inWords(error)}.`);
  }
  button.textContent = me.isCameraEnabled ? 'Stop the camera' : 'Try the camera';
}

/** Let a track of somebody else be heard, as long as it lasts. */
function play(track) {
  if (track.kind === Track.Kind.Audio) {
    document.getElementById('sound').append(track.attach());
    track.on(TrackEvent.ElementDetached, (player) => player.remove());
  }
}

function invitation(room) {
  const address = new URL(location.href);
  address.searchParams.set('room', room);
  return address.href;
}

const inWords = (error) => `${error.message} (${error.name})`;

// What somebody has typed while this was loading stays.
form.room.value = back?.fields.room || query.get('room') || form.room.value;
form.name.value = back?.fields.name || form.name.value;
document.getElementById('api').textContent = api;
document.getElementById('join').addEventListener('submit', (event) => {
  event.preventDefault();
  if (signIn && !signIn.person()) {
    leaveToSignIn();
  } else {
    join();
  }
});
if (signIn) {
  view.issuer(provider.issuer);
  document.getElementById('sign-out-button').onclick = () => {
    signIn.forget();
    view.failure();
    rest();
  };
  // Back from the provider by the browser's button, the page is as it was left: about to leave.
  addEventListener('pageshow', ({ persisted }) => persisted && rest());
  await (back ? comeBack() : rest());
}
