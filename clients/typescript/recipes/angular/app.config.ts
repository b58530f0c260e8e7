import { provideHttpClient, withFetch, withInterceptors } from "@angular/common/http";
import type { ApplicationConfig } from "@angular/core";

import { CALLER_TOKEN, TOKEN_API_BASE_URL } from "./token-api.config.js";
import { tokenApiInterceptor } from "./token-api.interceptor.js";

/** What an application that uses the recipe provides. */
export const appConfig: ApplicationConfig = {
  providers: [
    provideHttpClient(withFetch(), withInterceptors([tokenApiInterceptor])),
    { provide: TOKEN_API_BASE_URL, useValue: "http://127.0.0.1:7071/api" },
    { provide: CALLER_TOKEN, useValue: null },
  ],
};
