// A webhook for usher (docs/how-to/webhook.md) with the standard library of Node only.
//
// Usage: node webhook.js HOST:PORT SECRET_FILE SESSIONS_FILE
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");

const MAX_BODY = 1 << 20; // bytes
const WINDOW = 300; // seconds that a request is accepted for

const [address, secretFile, sessionsFile] = process.argv.slice(2);
const secret = fs.readFileSync(secretFile, "utf8").trim();
const sessions = new Map(Object.entries(JSON.parse(fs.readFileSync(sessionsFile, "utf8"))));

// The ids of calls of the last seconds, so that none is answered twice; oldest first.
const seen = new Map();

function isNew(callID, now) {
  for (const [id, time] of seen) {
    if (time >= now - 2 * WINDOW) break;
    seen.delete(id);
  }
  if (seen.has(callID)) return false;
  seen.set(callID, now);
  return true;
}

// isSigned says whether the Usher-Signature header is of this body, and recent.
function isSigned(header, body, now) {
  const fields = new Map(header.split(",").map((part) => part.split(/=(.*)/s, 2)));
  const t = fields.get("t") ?? "";
  if (!/^[0-9]{1,12}$/.test(t) || Math.abs(now - Number(t)) > WINDOW) return false;
  const expected = crypto.createHmac("sha256", secret).update(`${t}.`).update(body).digest();
  const v1 = Buffer.from(fields.get("v1") ?? "", "hex");
  return v1.length === expected.length && crypto.timingSafeEqual(v1, expected);
}

// answer says whose credential a request is about. Replace this with your own.
function answer(request) {
  return sessions.get(request.credential.token) ?? { unknown: true };
}

function reply(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

function respond(response, header, body) {
  const now = Date.now() / 1000;
  if (!isSigned(header, body, now)) return reply(response, 401, { error: "not signed by usher, or too old" });
  const request = JSON.parse(body.toString("utf8"));
  if (!isNew(request.call_id, now)) return reply(response, 401, { error: "this call has been answered" });
  return reply(response, 200, answer(request));
}

const server = http.createServer((request, response) => {
  const chunks = [];
  let size = 0;
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size <= MAX_BODY) return chunks.push(chunk);
    reply(response, 413, { error: "a body of at most 1 MiB is necessary" });
    return request.destroy();
  });
  request.on("end", () => {
    try {
      respond(response, request.headers["usher-signature"] ?? "", Buffer.concat(chunks));
    } catch {
      reply(response, 500, { error: "internal" }); // requests contain secrets, and so may errors
    }
  });
});

const colon = address.lastIndexOf(":");
server.listen(Number(address.slice(colon + 1)), address.slice(0, colon), () => {
  console.log(`listening on ${server.address().address}:${server.address().port}`);
});
