// The token endpoint as an Express developer would write it. FORM=bare leaves out the audit line, the
// request id, CORS and Cache-Control.

import { randomUUID } from "node:crypto";

import cors from "cors";
import express from "express";
import { AccessToken, TrackSource } from "livekit-server-sdk";
import { pino } from "pino";
import { z } from "zod";

const { FORM, HOST = "127.0.0.1", PORT, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, LIVEKIT_URL } = process.env;
const REQUEST_ID = /^[A-Za-z0-9_.~:=+/@-]{1,128}$/;

const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-zA-Z0-9_-]+$/);
const TokenRequest = z.strictObject({
  roomName: name,
  participantIdentity: name,
  participantName: z
    .string()
    .max(255)
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/)
    .optional(),
  expirationSeconds: z.int().min(60).max(86400).default(3600),
});

const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime });

function audit(req, res, next) {
  const started = performance.now();
  const id = req.get("X-Request-Id");
  const requestId = id && REQUEST_ID.test(id) ? id : randomUUID();
  res.set({ "X-Request-Id": requestId, "Cache-Control": "no-store" });
  res.on("finish", () => {
    const durationMs = Math.round((performance.now() - started) * 1000) / 1000;
    const { method, path } = req;
    logger.info({ requestId, method, path, status: res.statusCode, durationMs, ...res.locals.audit }, "request");
  });
  next();
}

async function issueToken(req, res) {
  const order = TokenRequest.safeParse(req.body);
  if (!order.success) {
    const faults = order.error.issues.map(({ path, message }) => ({ field: path.join("."), message }));
    return refuse(res, 400, "VALIDATION_ERROR", faults);
  }
  const { roomName, participantIdentity, participantName, expirationSeconds } = order.data;
  const accessToken = new AccessToken(LIVEKIT_API_KEY, LIVEKIT_API_SECRET, {
    identity: participantIdentity,
    name: participantName || participantIdentity,
    ttl: expirationSeconds,
  });
  accessToken.addGrant({
    roomJoin: true,
    room: roomName,
    canPublish: true,
    canPublishSources: [TrackSource.MICROPHONE],
    canSubscribe: true,
    canPublishData: true,
  });
  const token = await accessToken.toJwt();
  const { exp } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  const expiresAt = new Date(exp * 1000).toISOString().replace(".000Z", "Z");
  res.locals.audit = { room: roomName, identity: participantIdentity, expiresAt };
  res.json({ token, expiresAt, roomName, participantIdentity, serverUrl: LIVEKIT_URL });
}

function refuse(res, statusCode, errorCode, validationErrors) {
  res.status(statusCode).json({ statusCode, errorCode, validationErrors });
}

const app = express();
app.disable("x-powered-by");
app.disable("etag"); // Nobody caches a token.
if (FORM !== "bare") {
  app.use(audit);
  app.use(cors({ origin: ["http://localhost:4200"], exposedHeaders: ["X-Request-Id"] }));
}
app.use(express.json({ limit: "16kb" }));
app.post("/api/token", issueToken);
app.use((req, res) => refuse(res, 404, "NOT_FOUND"));
app.use((error, req, res, next) => {
  const status = error.status ?? 500;
  refuse(res, status, status < 500 ? "VALIDATION_ERROR" : "INTERNAL_ERROR", [{ field: "body", message: error.message }]);
});
app.listen(PORT, HOST);
