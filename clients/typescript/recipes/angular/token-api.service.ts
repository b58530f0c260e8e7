import { HttpClient } from "@angular/common/http";
import { inject, Injectable } from "@angular/core";
import type {
  ConnectionDetails,
  ConnectionDetailsRequest,
  TokenRequest,
  TokenResponse,
} from "livekit-token-api-client";
import type { Observable } from "rxjs";

import { TOKEN_API_BASE_URL } from "./token-api.config.js";

/** Asks a LiveKit Token API. What it fails with is a `TokenClientError`: `tokenApiInterceptor` sees to that. */
@Injectable({ providedIn: "root" })
export class TokenApiService {
  readonly #http = inject(HttpClient);
  readonly #baseUrl = inject(TOKEN_API_BASE_URL);

  generateToken(request: TokenRequest): Observable<TokenResponse> {
    return this.#http.post<TokenResponse>(`${this.#baseUrl}/token`, request);
  }

  createConnectionDetails(request: ConnectionDetailsRequest = {}): Observable<ConnectionDetails> {
    return this.#http.post<ConnectionDetails>(`${this.#baseUrl}/connection-details`, request);
  }
}
