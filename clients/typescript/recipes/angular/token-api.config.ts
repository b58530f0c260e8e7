import { InjectionToken } from "@angular/core";

/** Where the service is, its base path included: `https://tokens.example.com/api`. */
export const TOKEN_API_BASE_URL = new InjectionToken<string>("TOKEN_API_BASE_URL");

/** Knows a fresh caller token, where the service wants to know who asks; provide `null` where it does not. */
export const CALLER_TOKEN = new InjectionToken<(() => string | Promise<string>) | null>("CALLER_TOKEN");
