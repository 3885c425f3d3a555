"""A receiver that costs little: keep-alive HTTP/1.1 over uvloop.

    python -m bench.receiver PORT [CERTIFICATE KEY]

`/hang…` answers after ten seconds; `/fail…` answers 500 to a message's first attempt; the rest 200 at once. A GET of
`/latencies` answers, as JSON, the milliseconds since the `"sent_at"` (nanoseconds) of each body that has come since it
was asked last. With a certificate it speaks TLS.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"
HANG_SECONDS = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FIRST_ATTEMPT = re.compile(rb"\r\nwebhook-attempt: *1\r\n", re.IGNORECASE)
_SENT_AT = re.compile(rb'"sent_at":\s*"(\d+)')
_latencies: list[float] = []


class Receiver(asyncio.Protocol):
    """One connection: reads requests one after the other and answers each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with nothing read."""
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has arrived."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            match = _LENGTH.search(self.buffer, 0, end + 2)
            length = end + 4 + (int(match.group(1)) if match else 0)
            if len(self.buffer) < length:
                return
            request, self.buffer = self.buffer[:length], self.buffer[length:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        if sent_at := _SENT_AT.search(request):
            _latencies.append((time.time_ns() - int(sent_at[1])) / 1e6)
        if request.startswith(b"POST /hang"):
            asyncio.get_running_loop().call_later(HANG_SECONDS, self._answer_late)
        elif request.startswith(b"POST /fail") and _FIRST_ATTEMPT.search(request):
            self.transport.write(FAILURE)
        elif request.startswith(b"GET /latencies"):
            text = json.dumps(_latencies).encode()
            _latencies.clear()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        else:
            self.transport.write(ANSWER)

    def _answer_late(self) -> None:
        if not self.transport.is_closing():  # the client may have given up
            self.transport.write(ANSWER)


async def serve(port: int, certificate: list[str]) -> None:
    """Serve until the process ends; over TLS when given the files of a certificate and its key."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", port, backlog=4096, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
