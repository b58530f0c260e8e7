export type { CallOptions, Credential, TokenClientOptions, TokenOptions } from "./client.js";
export { TokenClient } from "./client.js";
export type { ErrorCode, TokenClientError } from "./errors.js";
export { failureOf, NoAnswerError, TokenApiError, UnexpectedAnswerError } from "./errors.js";
export { delayBeforeRetry } from "./retry.js";
export type {
  AgentDispatch,
  ConnectionDetails,
  ConnectionDetailsRequest,
  ErrorResponse,
  FieldFault,
  HealthResponse,
  Reason,
  TokenRequest,
  TokenResponse,
} from "./schema.js";
export type { Surroundings } from "./transport.js";
