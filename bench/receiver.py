"""A receiver that costs little: keep-alive HTTP/1.1 over asyncio; `/hang…` answers after ten seconds, the rest at once.

python -m bench.receiver PORT
"""

from __future__ import annotations

import asyncio
import re
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HANG_SECONDS = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


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
            hangs = self.buffer.startswith(b"POST /hang")
            self.buffer = self.buffer[length:]
            if hangs:
                asyncio.get_running_loop().call_later(HANG_SECONDS, self.transport.write, ANSWER)
            else:
                self.transport.write(ANSWER)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
