import type { TokenResponse } from "./schema.js";
import { SharedCall } from "./shared-call.js";

/** How long before its end a token is not given out any more, in milliseconds. */
const MARGIN_MS = 60_000;
/** How many tokens are kept; a page needs few, a backend may have many users. */
const CAPACITY = 1000;

interface Kept {
  readonly answer: Readonly<TokenResponse>;
  /** In milliseconds since 1970, by this machine's clock. */
  readonly from: number;
  readonly until: number;
}

/** Tokens, kept until a minute before they expire. Whoever asks for the same at the same time shares a call. */
export class TokenCache {
  readonly #kept = new Map<string, Kept>();
  readonly #calls = new Map<string, SharedCall<TokenResponse>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Answer with the token that is kept under a key, or with a new one.
   *
   * @param fresh whether what is kept, or on its way, will not do.
   */
  async get(
    key: string,
    call: (signal: AbortSignal) => Promise<TokenResponse>,
    { fresh, signal }: { fresh: boolean; signal: AbortSignal | undefined },
  ): Promise<Readonly<TokenResponse>> {
    signal?.throwIfAborted();
    const kept = this.#kept.get(key);
    const now = this.#now();
    // Before it was asked for, somebody has set the clock back: who knows what is left of it.
    if (!fresh && kept !== undefined && kept.from <= now && now < kept.until) {
      return kept.answer;
    }
    let shared = this.#calls.get(key);
    if (fresh || shared === undefined || shared.abandoned) {
      shared = this.#share(key, call);
      this.#calls.set(key, shared);
    }
    return await shared.wait(signal);
  }

  #share(key: string, call: (signal: AbortSignal) => Promise<TokenResponse>): SharedCall<TokenResponse> {
    const shared = new SharedCall(async (signal) => {
      const from = this.#now();
      try {
        const answer = await call(signal);
        // Who has asked for a fresh one since does not want this one.
        if (this.#calls.get(key) === shared) {
          this.#store(key, { answer, from, until: from + lifetimeMs(answer.token) - MARGIN_MS });
        }
        return answer;
      } finally {
        if (this.#calls.get(key) === shared) {
          this.#calls.delete(key);
        }
      }
    });
    return shared;
  }

  #store(key: string, kept: Kept): void {
    // A map has its oldest entries first.
    this.#kept.delete(key);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= CAPACITY) {
      this.#kept.delete(oldest);
    }
    this.#kept.set(key, kept);
  }
}

/**
 * Tell how long a token is valid from when it was made, in milliseconds; 0 if that cannot be read.
 *
 * By its own claims, not by `expiresAt` and the clock of this machine, which may be hours off.
 */
function lifetimeMs(token: string): number {
  try {
    const claims = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    // Claims are UTF-8, which `atob` does not decode; the two numbers are ASCII all the same.
    const { exp, nbf } = JSON.parse(atob(claims)) as { exp?: unknown; nbf?: unknown };
    return typeof exp === "number" && typeof nbf === "number" ? (exp - nbf) * 1000 : 0;
  } catch {
    return 0;
  }
}
