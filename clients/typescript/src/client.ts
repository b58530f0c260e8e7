import createClient, { type Client } from "openapi-fetch";

import { hasTexts, UnexpectedAnswerError } from "./errors.js";
import type {
  ConnectionDetails,
  ConnectionDetailsRequest,
  HealthResponse,
  paths,
  TokenRequest,
  TokenResponse,
} from "./schema.js";
import { TokenCache } from "./token-cache.js";
import { SURROUNDINGS, type Surroundings, transport } from "./transport.js";

/**
 * Says who asks: a caller token of the operator's OpenID issuer, or a function that knows a fresh one and
 * is asked before each call; or an API key, which belongs on a server and never in a page.
 */
export type Credential =
  { readonly bearer: string | (() => string | Promise<string>) } | { readonly apiKey: string };

export interface TokenClientOptions {
  /** Where the service is, its base path included: `https://tokens.example.com/api`. */
  readonly baseUrl: string;
  /** Who asks, where the service wants to know. */
  readonly credential?: Credential | undefined;
  /** How long an answer may take, in milliseconds, before it counts as none; by default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Other ways to send a request and to tell the time, for tests. */
  readonly surroundings?: Partial<Surroundings> | undefined;
}

export interface CallOptions {
  /** Ends the call, while it waits for a retry as well: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface TokenOptions extends CallOptions {
  /** Whether a token that is kept already will not do, for instance because LiveKit refused it. */
  readonly fresh?: boolean | undefined;
}

/**
 * Asks a LiveKit Token API.
 *
 * After a 5xx, a 429 and a failure of the network a token is asked for again, twice. A call that fails
 * nevertheless rejects with a `TokenClientError`.
 */
export class TokenClient {
  readonly #api: Client<paths>;
  /** Asks once: a health check tells how it is now. */
  readonly #once: (request: Request) => Promise<Response>;
  readonly #cache: TokenCache;
  readonly #credential: Credential | undefined;

  constructor({ baseUrl, credential, timeoutMs = 10_000, surroundings }: TokenClientOptions) {
    const complete = { ...SURROUNDINGS, ...surroundings };
    this.#api = createClient<paths>({
      baseUrl: checkedAddress(baseUrl),
      fetch: transport(complete, timeoutMs),
      credentials: "omit",
      // Followed, it would carry an API key to wherever it leads; an error could not be told from no answer.
      redirect: "manual",
    });
    this.#once = transport(complete, timeoutMs, { isRepeated: false });
    this.#cache = new TokenCache(complete.now);
    this.#credential = credential;
  }

  /**
   * Get a token for one participant in one room. It is kept until a minute before it expires: the same
   * request, of the same caller, gets the same token.
   */
  async generateToken(
    request: TokenRequest,
    { fresh = false, signal }: TokenOptions = {},
  ): Promise<Readonly<TokenResponse>> {
    const headers = await this.#credentials();
    const key = JSON.stringify([headers, Object.entries(request).sort()]);
    return await this.#cache.get(
      key,
      async (shared) =>
        success(await this.#api.POST("/token", { body: request, headers, signal: shared }), TOKEN),
      { fresh, signal },
    );
  }

  /**
   * Get what a LiveKit client SDK needs to connect. Each call gets a fresh token: it may be one for a room
   * that nobody else is in.
   */
  async createConnectionDetails(
    request: ConnectionDetailsRequest = {},
    { signal }: CallOptions = {},
  ): Promise<ConnectionDetails> {
    const headers = await this.#credentials();
    return success(
      await this.#api.POST("/connection-details", { body: request, headers, signal: signal ?? null }),
      DETAILS,
    );
  }

  /** Ask once whether the process serves requests, and which version it has. */
  async checkLiveness({ signal }: CallOptions = {}): Promise<HealthResponse> {
    return success(
      await this.#api.GET("/health/live", { fetch: this.#once, signal: signal ?? null }),
      HEALTH,
    );
  }

  /** Ask once whether the service can issue tokens; if not, this rejects with `NOT_READY`. */
  async checkReadiness({ signal }: CallOptions = {}): Promise<HealthResponse> {
    return success(
      await this.#api.GET("/health/ready", { fetch: this.#once, signal: signal ?? null }),
      HEALTH,
    );
  }

  async #credentials(): Promise<Record<string, string>> {
    if (this.#credential === undefined) {
      return {};
    }
    if ("apiKey" in this.#credential) {
      return { "X-API-Key": checked(this.#credential.apiKey) };
    }
    const { bearer } = this.#credential;
    return { Authorization: `Bearer ${checked(typeof bearer === "string" ? bearer : await bearer())}` };
  }
}

/** Refuse what cannot be a header: `fetch` would, too, but shows the credential in its message. */
function checked(credential: string): string {
  // Whoever has no compiler may give none: "undefined" is no credential.
  if (typeof credential !== "string" || !/^[\x21-\x7e]+$/.test(credential)) {
    throw new TypeError("The credential is empty, or has a character that no credential has");
  }
  return credential;
}

/** Refuse what a request would be refused with, password and all, or what would swallow the paths. */
function checkedAddress(baseUrl: string): string {
  if (/[?#]|\/\/[^/]*@/.test(baseUrl)) {
    throw new TypeError("The base URL must have no user, no password, no query and no fragment");
  }
  return baseUrl;
}

/** The required properties of an answer, all of which are texts: another one does not compile. */
type Texts<T> = { readonly [K in keyof T as object extends Pick<T, K> ? never : K]: true };

const TOKEN: Texts<TokenResponse> = {
  token: true,
  expiresAt: true,
  roomName: true,
  participantIdentity: true,
};
const DETAILS: Texts<ConnectionDetails> = {
  server_url: true,
  participant_token: true,
  room_name: true,
  participant_name: true,
};
const HEALTH: Texts<HealthResponse> = { status: true };

/** Take the body of a success, which may be another server's. A failure does not come so far. */
function success<T>({ data, response }: { data?: T; response: Response }, texts: Texts<T>): T {
  if (!hasTexts(data, ...Object.keys(texts))) {
    throw new UnexpectedAnswerError(response.status);
  }
  return data as T;
}
