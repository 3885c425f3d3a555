"""A whole receiver without dependencies.

WEBHOOK_SECRET=… python server.py litestore 9000

While the secret is being rotated, WEBHOOK_SECRET may hold both, separated by a space.
"""

import importlib
import json
import os
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

dialect = sys.argv[1] if len(sys.argv) > 1 else "standard"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 9000
verify = importlib.import_module(dialect).verify
secrets = os.environ.get("WEBHOOK_SECRET", "").split()
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
        size = int(self.headers.get("Content-Length", "0"))
        if size > BODY_MAX:
            while size > 0 and (chunk := self.rfile.read(min(size, BODY_MAX))):
                size -= len(chunk)  # thrown away: who still sends doesn't hear an answer
            return self.answer(413)
        raw_body = self.rfile.read(size)  # the bytes as they came: verify first, parse later
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not any(verify(raw_body, headers, secret) for secret in secrets):
            return self.answer(401)

        message_id = headers["webhook-id"]
        if message_id not in seen:
            seen[message_id] = None
            jobs.put((message_id, headers["webhook-event"], raw_body))
        return self.answer(200)  # a message that came before is answered 200, too

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
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
