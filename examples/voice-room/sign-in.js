// Who is at this page, by OpenID Connect: authorization code with PKCE, for a client without a secret.
import * as oauth from './vendor/oauth4webapi.js';
import { signIn as config } from './config.js';

const KEPT = 'sign-in';
const issuer = new URL(config.issuer);
const client = { client_id: config.clientId };
const redirectUri = new URL('.', location.href).href;
// What is said over plain HTTP is overheard, except on one's own machine.
const isNear = ['127.0.0.1', 'localhost', '[::1]'].includes(issuer.hostname);
const options = { [oauth.allowInsecureRequests]: isNear };

// Nowhere else: whoever finds an access token can use it.
let account;

/** Who is signed in: { name, identity }; nobody: undefined. */
export function person() {
  return account?.person;
}

/** The headers that tell the token service who asks. */
export function headers() {
  return account ? { Authorization: `Bearer ${account.accessToken}` } : {};
}

/** Forget who is signed in; the provider may remember. */
export function forget() {
  account = undefined;
}

/** Leave for the provider; `returned` has `fields` again when the person is back. */
export async function leave(fields) {
  const server = await discover();
  const kept = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    address: location.href,
    fields,
  };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  const address = new URL(server.authorization_endpoint);
  const parameters = {
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    scope: 'openid profile',
    // Whom the access token is for. Not every provider knows the parameter; some are configured for it.
    resource: config.audience,
    // Each tab asks: somebody else may be in the next one, and an identity is in a room only once.
    prompt: 'login',
    state: kept.state,
    nonce: kept.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(kept.verifier),
    code_challenge_method: 'S256',
  };
  Object.entries(parameters).forEach(([name, value]) => address.searchParams.set(name, value));
  location.assign(address);
}

/** Clean the page's address of the provider's answer; returns { answer, kept, fields } if there was one. */
export function returned() {
  const answer = new URL(location.href);
  if (!answer.searchParams.has('state')) {
    return undefined;
  }
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, '', kept?.address ?? redirectUri);
  return { answer, kept, fields: kept?.fields ?? {} };
}

/** Exchange the code of the provider's answer for an access token. */
export async function complete({ answer, kept }) {
  if (!kept) {
    throw new Error('This tab had not asked for a sign-in, or was answered before.');
  }
  const server = await discover();
  const code = oauth.validateAuthResponse(server, client, answer, kept.state);
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), code, redirectUri, kept.verifier,
    { ...options, additionalParameters: { resource: config.audience } },
  );
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
    expectedNonce: kept.nonce,
    requireIdToken: true,
  });
  const { sub, name } = oauth.getValidatedIdTokenClaims(tokens);
  account = { accessToken: tokens.access_token, person: { identity: sub, name } };
}

async function discover() {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
}
