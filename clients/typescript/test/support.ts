import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

import type { ErrorCode, ErrorResponse, TokenClientOptions, TokenResponse } from "../src/index.js";

export const REQUEST = { roomName: "my-room", participantIdentity: "alice" };
/** Noon of some day, in milliseconds since 1970. */
export const NOON = Date.UTC(2026, 10, 23, 12);

/** A request, as it came over the network. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  /** Resolves when the client has let go of it before it was answered. */
  readonly dropped: Promise<void>;
}

/** How a request is answered. */
export type Answer = (response: ServerResponse) => void;

export interface Server {
  readonly url: string;
  readonly received: Received[];
  /** Resolves when the first request has come. */
  readonly asked: Promise<void>;
}

/** Serve on the loopback interface until the test is over: each request gets the next answer. */
export async function serve(t: TestContext, ...answers: Answer[]): Promise<Server> {
  const received: Received[] = [];
  let come = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    come = resolve;
  });
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const { method, url, headers } = request;
      const dropped = new Promise<void>((resolve) => {
        response.on("close", () => {
          if (!response.writableFinished) {
            resolve();
          }
        });
      });
      received.push({ method, url, headers, body: text === "" ? undefined : JSON.parse(text), dropped });
      (answers.shift() ?? unexpected)(response);
      come();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`, received, asked };
}

/** Answer JSON. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Answer as a proxy does, or a server of something else. */
export function html(status: number): Answer {
  return (response) => {
    response.writeHead(status, { "Content-Type": "text/html" });
    response.end("<h1>Hello</h1>");
  };
}

/** Fail as the service does. */
export function failure(
  statusCode: number,
  errorCode: ErrorCode,
  { headers, ...parts }: Partial<ErrorResponse> & { headers?: Record<string, string> } = {},
): Answer {
  const body: ErrorResponse = {
    statusCode,
    errorCode,
    message: "It did not work.",
    timestamp: "2026-11-23T12:00:00Z",
    requestId: "0f2d8c7a",
    ...parts,
  };
  return json(statusCode, body, headers);
}

/** Close the connection instead of answering. */
export const reset: Answer = (response) => response.socket?.resetAndDestroy();

/** Never answer. */
export const silence: Answer = () => undefined;

/** Answer the head, and the half of the body. */
export const breakOff: Answer = (response) => {
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "100" });
  response.write('{"token":', () => response.socket?.destroy());
};

/** Answer the head, and never the body. */
export const stall: Answer = (response) => {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.write('{"token":');
};

const unexpected: Answer = failure(404, "NOT_FOUND", { message: "The test expects no further request." });

/** Make an answer with a token of that lifetime; `serial` tells tokens apart. */
export function issued(lifetimeSeconds = 3600, serial = 1): TokenResponse {
  const [nbf, exp] = [NOON / 1000, NOON / 1000 + lifetimeSeconds];
  return {
    token: `header.${Buffer.from(JSON.stringify({ nbf, exp, name: "Zoë ÿ~>" })).toString("base64url")}.${serial}`,
    expiresAt: `${new Date(exp * 1000).toISOString().slice(0, 19)}Z`,
    ...REQUEST,
  };
}

/** A clock that the test sets, and a sleep that takes no time; both are surroundings of a client. */
export class Clock {
  time = NOON;
  /** How long was slept each time, in milliseconds. */
  readonly slept: number[] = [];
  /** Chances, in their order; the last one stays. */
  readonly chances: number[];

  constructor(...chances: number[]) {
    this.chances = chances.length === 0 ? [0.5] : chances;
  }

  get surroundings(): NonNullable<TokenClientOptions["surroundings"]> {
    return {
      now: () => this.time,
      random: () => (this.chances.length > 1 ? this.chances.shift() : this.chances[0]) as number,
      sleep: async (milliseconds) => {
        this.slept.push(milliseconds);
      },
    };
  }
}
