// What went wrong, in words: { title, message, faults: [{ field, message }], advice: [text], facts: [text] };
// and where the service said so, its `code`.
import { ConnectionError, DisconnectReason } from './vendor/livekit-client.esm.mjs';

const failure = (title, message, more = {}) => ({ title, message, faults: [], advice: [], facts: [], ...more });

// TokenSource.endpoint puts the status and the body of an answer into the text of its exception.
const ANSWER = /: received (\d{3}) \/ (.*)$/s;

/** Why there is no token; `api` is the service's address. */
export async function ofTokenService(error, api) {
  const [, status, body] = error.message.match(ANSWER) ?? [];
  if (status) {
    return ofAnswer(status, parse(body), api);
  }
  if (error instanceof TypeError) {
    return (await answers(`${api}/health/live`)) ? refusedOrigin(api) : unreachable(api);
  }
  return failure('No token', `${error.name}: ${error.message}`);
}

/** Why nobody is signed in; `issuer` is the provider's address. */
export async function ofSignIn(error, issuer) {
  // The library's own have a code.
  if (error instanceof TypeError && !error.code) {
    return (await answers(issuer)) ? unregistered(issuer) : silent(issuer);
  }
  return failure('Not signed in', error.error_description ?? error.message, {
    facts: error.error ? [error.error] : [],
  });
}

/** That the service takes the sign-in no more, which `found` is about. */
export function ofLostSignIn(found) {
  return {
    ...found,
    title: 'Signed out',
    advice: ['Sign in again: what you have filled in stays.'],
  };
}

/** Why the LiveKit server at `serverUrl` was not joined. */
export function ofConnection(error, serverUrl) {
  const reason = error instanceof ConnectionError ? error.reasonName : error.name;
  return failure('A token, but no room', `${error.message} (${reason})`, {
    advice: [`Does the LiveKit server run at ${serverUrl}, and does it know the service’s API key and secret?`],
  });
}

/** Why a session ended that this page did not end; nothing if it is the page that left. */
export function ofDisconnection(reason) {
  const words = {
    [DisconnectReason.DUPLICATE_IDENTITY]: 'Somebody joined with your identity, which throws you out.',
    [DisconnectReason.PARTICIPANT_REMOVED]: 'An administrator removed you from the room.',
    [DisconnectReason.ROOM_DELETED]: 'An administrator deleted the room.',
    [DisconnectReason.SERVER_SHUTDOWN]: 'The LiveKit server was stopped.',
  };
  if (reason === DisconnectReason.CLIENT_INITIATED) {
    return undefined;
  }
  const name = DisconnectReason[reason] ?? 'no reason given';
  return failure('Disconnected', words[reason] ?? `The connection to the LiveKit server was lost (${name}).`);
}

/** Something that nobody thought of, such as a token without the claims of one. */
export function ofSurprise(error) {
  return failure('No session', `${error.message} (${error.name})`);
}

function ofAnswer(status, body, api) {
  if (!body?.errorCode) {
    return failure('No token', `The answer of ${api} has status ${status}, and is not the token service’s.`, {
      advice: ['Is this the address of the service, with its base path, such as http://127.0.0.1:7071/api?'],
    });
  }
  return failure('No token', body.message, {
    faults: Array.isArray(body.validationErrors) ? body.validationErrors : [],
    facts: [`${status} ${body.errorCode}`, `request ${body.requestId}`],
    code: body.errorCode,
  });
}

function refusedOrigin(api) {
  return failure('No token', `The service at ${api} answers, but not to pages of ${location.origin} (CORS).`, {
    advice: [`Its operator must add ${location.origin} to CORS_ALLOWED_ORIGINS, and restart it.`],
  });
}

function unreachable(api) {
  return failure('No token', `Nothing answers at ${api}.`, {
    advice: ['Does the service run? Is this its address? “make demo” starts both the service and this page.'],
  });
}

function unregistered(issuer) {
  return failure('Not signed in', `The provider at ${issuer} answers, but not to pages of ${location.origin} (CORS).`, {
    advice: [`Is ${location.origin} registered there, as an origin and as where this page’s client sends people back to?`],
  });
}

function silent(issuer) {
  return failure('Not signed in', `Nothing answers at ${issuer}.`, {
    advice: ['Does the OpenID provider run? Is this its address?'],
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// A browser does not tell a page whether nobody answered or CORS refused. An opaque request succeeds in
// the second case only.
async function answers(url) {
  try {
    await fetch(url, { mode: 'no-cors', cache: 'no-store' });
    return true;
  } catch {
    return false;
  }
}
