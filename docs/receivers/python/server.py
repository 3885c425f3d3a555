"""A whole receiver; `merchant_webhooks` is the package, or the folder of that name beside this file.

WEBHOOK_SECRET=… python server.py litestore 9000

The secret is taken as it is: it may hold spaces, commas and quotes. While it is being rotated, WEBHOOK_SECRET_2 may
hold the other one.
"""

import contextlib
import importlib
import json
import os
import queue
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from merchant_webhooks import DIALECTS, SignatureError, verify

dialect = sys.argv[1] if len(sys.argv) > 1 else "standard"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 9000
if dialect == "standard_library":  # the same with another's library
    verify = importlib.import_module(dialect).verify
elif dialect not in DIALECTS:
    sys.exit(f"There is no dialect {dialect}; there are {', '.join(DIALECTS)}.")
secrets = [secret for name in ("WEBHOOK_SECRET", "WEBHOOK_SECRET_2") if (secret := os.environ.get(name))]
if not secrets:
    sys.exit("Set WEBHOOK_SECRET to the secret of the webhook.")

BODY_MAX = 1024 * 1024  # the sender's own limit
seen: dict[str, None] = {}  # use a table with a unique key instead: it outlives restarts
jobs: queue.Queue[tuple[str, str, bytes]] = queue.Queue()  # use your queue instead


class Receiver(BaseHTTPRequestHandler):
    """Verifies, queues and answers."""

    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True
    timeout = 60

    def do_POST(self) -> None:
        """Take one message."""
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not re.fullmatch("[0-9]{1,19}", lengths[0]) or "Transfer-Encoding" in self.headers:
            return self.refuse(400)  # where the body ends is in doubt, so nothing of it is read
        size = int(lengths[0])
        if size > BODY_MAX:
            return self.refuse(413)
        raw_body = self.rfile.read(size)  # the bytes as they came: verify first, parse later
        if len(raw_body) < size:
            return self.refuse(400)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():  # a header that came twice is joined, as Node does
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        try:
            verify(headers, raw_body, secrets, dialect)
        except SignatureError:
            return self.answer(401)

        message_id = headers.get("webhook-id")
        if not message_id:
            return self.answer(400)
        if message_id not in seen:
            seen[message_id] = None
            jobs.put((message_id, headers.get("webhook-event", ""), raw_body))
        return self.answer(200)  # a message that came before is answered 200, too

    def refuse(self, status: int) -> None:
        """Answer at once and close: what may still come is no next request."""
        self.close_connection = True
        self.answer(status)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1)  # closing on unread bytes would take the answer back from who still sends
        left, until = 4 * BODY_MAX, time.monotonic() + 2
        with contextlib.suppress(OSError):
            while left > 0 and time.monotonic() < until and (chunk := self.connection.recv(65536)):
                left -= len(chunk)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def work() -> None:
    """Do the work, after the answer."""
    while True:
        message_id, event, raw_body = jobs.get()
        say(json.dumps({"id": message_id, "event": event, "body": json.loads(raw_body)}))


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


threading.Thread(target=work, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
say(f"listening on {server.server_port}")
server.serve_forever()
