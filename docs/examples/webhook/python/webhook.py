"""A webhook for usher (docs/how-to/webhook.md) with the standard library of Python only.

Usage: python3 webhook.py HOST:PORT SECRET_FILE SESSIONS_FILE
"""

import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20  # bytes
WINDOW = 300  # seconds that a request is accepted for


class Calls:
    """The ids of calls of the last seconds, so that none is answered twice."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = {}  # id to time, oldest first

    def is_new(self, call_id, now):
        with self.lock:
            while self.seen and next(iter(self.seen.values())) < now - 2 * WINDOW:
                del self.seen[next(iter(self.seen))]
            if call_id in self.seen:
                return False
            self.seen[call_id] = now
            return True


def is_signed(secret, header, body, now):
    """Says whether the Usher-Signature header is of this body, and recent."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    t, v1 = fields.get("t", ""), fields.get("v1", "")
    if not (t.isascii() and t.isdigit() and len(t) <= 12) or abs(now - int(t)) > WINDOW:
        return False
    expected = hmac.new(secret, t.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), v1.encode())  # in constant time


def answer(sessions, request):
    """Says whose credential a request is about. Replace this with your own."""
    return sessions.get(request["credential"].get("token"), {"unknown": True})


def handler(secret, sessions, calls):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                pass  # the client has gone

        def do_POST(self):
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
                self.close_connection = True
                return self.reply(413, {"error": "a body of at most 1 MiB is necessary"})
            body = self.rfile.read(int(length))
            now = time.time()
            if not is_signed(secret, self.headers.get("Usher-Signature", ""), body, now):
                return self.reply(401, {"error": "not signed by usher, or too old"})
            request = json.loads(body)
            if not calls.is_new(request["call_id"], now):
                return self.reply(401, {"error": "this call has been answered"})
            return self.reply(200, answer(sessions, request))

        def reply(self, status, value):
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass  # requests contain secrets

    return Handler


def main():
    address, secret_file, sessions_file = sys.argv[1:]
    host, _, port = address.rpartition(":")
    with open(secret_file, "rb") as f:
        secret = f.read().strip()
    with open(sessions_file, encoding="utf-8") as f:
        sessions = json.load(f)
    server = ThreadingHTTPServer((host, int(port)), handler(secret, sessions, Calls()))
    print(f"listening on {host}:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
