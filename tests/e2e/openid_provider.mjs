// A real OpenID provider on the loopback interface, for tests and `make demo`: openid_provider.py runs it.
//
// Standard input: JSON, an object a line. The first is the configuration, each other a command; each is
// answered with one line on standard output. The end of the input is the end of the provider.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

// Ctrl-C goes to every process of a terminal; whoever started this one ends it.
process.on('SIGINT', () => {});

// The library announces what it leaves to its users; standard output is for answers.
console.info = console.warn;
const { Provider, errors, interactionPolicy } = await import('oidc-provider');
// Keys can be changed at run time, but no public part of the library says how.
const { default: initializeKeystore } = await import('oidc-provider/lib/helpers/initialize_keystore.js');

const LOOPBACK = '127.0.0.1';
const RSA = ['rsa', { modulusLength: 2048 }];
const KEYS = { RS256: RSA, PS256: RSA, ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519', {}] };
const COUNTED = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'jwks' };
const LONGEST_NAME = 64;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
};
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const { audience, publicClient, confidentialClient } = await next();
const server = createServer();
await listen(0);
const { port } = server.address();
const issuer = `http://${LOOPBACK}:${port}`;
const requests = { discovery: 0, jwks: 0 };
// Who has signed in, by `sub`.
const names = new Map();
let keys = makeKeys();
let signInClaims = {};

const policy = interactionPolicy.base();
// The page is the operator's own: nobody asks for consent to what belongs to them anyway.
policy.remove('consent');

const provider = new Provider(issuer, {
  clients: [
    {
      ...publicClient,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    { ...confidentialClient, grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
  ],
  clientBasedCORS: (_ctx, origin, client) => (client.redirectUris ?? []).some((uri) => new URL(uri).origin === origin),
  claims: { openid: ['sub'], profile: ['name'] },
  // The page gets to know the name without another request.
  conformIdTokenClaims: false,
  cookies: { keys: [randomBytes(16).toString('hex')] },
  // Without a resource, an access token would be for userinfo, and opaque.
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, asked) => asked ?? audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (resource !== audience) {
          throw new errors.InvalidTarget();
        }
        const jwt = { sign: { alg: wishes(ctx).algorithm ?? 'RS256' } };
        return { scope: '', audience, accessTokenFormat: 'jwt', jwt };
      },
    },
  },
  extraTokenClaims: (_ctx, token) =>
    token.kind === 'AccessToken' ? { name: names.get(token.accountId), ...signInClaims } : {},
  // What a test wishes for comes last: it may contradict what the library has written.
  formats: {
    customizers: {
      jwt: (ctx, token, jwt) => {
        const { header, claims } = token.kind === 'AccessToken' ? { claims: signInClaims } : wishes(ctx);
        jwt.header = nullsRemoved(header);
        Object.assign(jwt.payload, nullsRemoved(claims));
      },
    },
  },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, name: names.get(sub) }) }),
  interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },
  jwks: { keys },
  loadExistingGrant: grantAll,
  pkce: { required: () => true },
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600, IdToken: 3600, Interaction: 3600, Session: 3600 },
});
const answerAsProvider = provider.callback();

server.on('request', async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  if (pathname in COUNTED) {
    requests[COUNTED[pathname]] += 1;
  }
  if (pathname.startsWith('/interaction/')) {
    await signIn(request, response).catch((error) => show(response, 400, `<p>${escaped(error.message)}</p>`));
  } else {
    answerAsProvider(request, response);
  }
});

const COMMANDS = {
  rotate: ({ keep }) => {
    const old = keep ? keys : [];
    keys = makeKeys();
    // The first key that fits signs.
    initializeKeystore.call(provider, { keys: [...keys, ...old] });
  },
  requests: () => requests,
  signIns: ({ claims }) => {
    signInClaims = claims;
  },
  stop: async () => {
    if (!server.listening) {
      return;
    }
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  },
  start: async () => {
    if (!server.listening) {
      await listen(port);
    }
  },
};

answer({ issuer });
for (let command = await next(); command; command = await next()) {
  try {
    answer((await COMMANDS[command.do](command)) ?? {});
  } catch (error) {
    answer({ error: error.message });
  }
}
process.exit();

async function listen(wanted) {
  server.listen(wanted, LOOPBACK);
  await once(server, 'listening');
}

function makeKeys() {
  return Object.entries(KEYS).map(([alg, [type, options]]) => {
    const { privateKey } = generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig' };
  });
}

/** What a test asks of one token: a parameter of its request that no specification knows. */
function wishes(ctx) {
  return JSON.parse(ctx.oidc.body?.wishes ?? '{}');
}

// JSON has no undefined, which is what removes a claim.
function nullsRemoved(members = {}) {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, value ?? undefined]));
}

async function grantAll(ctx) {
  const { session, client } = ctx.oidc;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid profile');
  await grant.save();
  return grant;
}

/** The only page: a form that asks for a name and, this being no real provider, for no password. */
async function signIn(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    show(response, 200, `
      <form method="post" autocomplete="off">
        <label for="name">Your name</label>
        <input id="name" name="name" required maxlength="${LONGEST_NAME}" autofocus aria-describedby="hint">
        <p id="hint">Any will do, without a password: this provider is for trying things out.</p>
        <button>Sign in</button>
        <button name="cancelled" value="yes" formnovalidate>Cancel</button>
      </form>`);
    return;
  }
  const form = new URLSearchParams(await text(request));
  const name = (form.get('name') ?? '').trim().slice(0, LONGEST_NAME);
  if (form.has('cancelled')) {
    await finish(request, response, { error: 'access_denied', error_description: 'the sign-in was cancelled' });
  } else if (name) {
    const sub = identifier(name);
    names.set(sub, name);
    await finish(request, response, { login: { accountId: sub } });
  } else {
    show(response, 400, '<p>A name is needed.</p>');
  }
}

function finish(request, response, result) {
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

/** Make of a name what may be a participant's identity: `Ada Lovelace` is `ada-lovelace`. */
function identifier(name) {
  const plain = name.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '');
  const parts = plain.match(/[a-z0-9_]+/g);
  return parts?.join('-') ?? `person-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`;
}

function show(response, status, content) {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Sign in</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <style>
      body { max-width: 22rem; margin: 15vh auto 0; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
      label { display: block; }
      input { box-sizing: border-box; width: 100%; }
      input, button { padding: .5rem .75rem; font: inherit; }
      p { font-size: .875rem; }
    </style>
  </head>
  <body>
    <h1>Sign in</h1>${content}
  </body>
</html>
`);
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
