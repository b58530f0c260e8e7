import createClient, { type Client } from "openapi-fetch";

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
 * A 5xx, a 429 and a failure of the network are retried twice. A call that fails nevertheless rejects
 * with a `TokenClientError`.
 */
export class TokenClient {
  readonly #api: Client<paths>;
  readonly #cache: TokenCache;
  readonly #credential: Credential | undefined;

  constructor({ baseUrl, credential, timeoutMs = 10_000, surroundings }: TokenClientOptions) {
    const complete = { ...SURROUNDINGS, ...surroundings };
    this.#api = createClient<paths>({
      baseUrl,
      fetch: transport(complete, timeoutMs),
      credentials: "omit",
      // A redirection would carry an API key to wherever it leads.
      redirect: "error",
    });
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
      async (shared) => success(await this.#api.POST("/token", { body: request, headers, signal: shared })),
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
    );
  }

  /** Ask whether the process serves requests, and which version it has. */
  async checkLiveness({ signal }: CallOptions = {}): Promise<HealthResponse> {
    return success(await this.#api.GET("/health/live", { signal: signal ?? null }));
  }

  /** Ask whether the service can issue tokens; if not, this rejects with `NOT_READY`. */
  async checkReadiness({ signal }: CallOptions = {}): Promise<HealthResponse> {
    return success(await this.#api.GET("/health/ready", { signal: signal ?? null }));
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
  if (!/^[\x21-\x7e]+$/.test(credential)) {
    throw new TypeError("The credential is empty, or has a character that no credential has");
  }
  return credential;
}

/** Take the body of an answer. A failure does not come this far: the transport rejects. */
function success<T>({ data }: { data?: T }): T {
  return data as T;
}
