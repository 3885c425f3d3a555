"""What the reader makes of bytes, without a socket: a step takes one request, whatever is sent."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace

import pytest

from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.reading import Reader, State


class _Asker:
    """A connection that answers nothing: it only counts."""

    client = ""

    def __init__(self) -> None:
        self.taken = 0
        limits = SimpleNamespace(head=1.0, body=1.0, bodies=1_000_000)
        self.server = SimpleNamespace(limits=limits, held=0, now=time.monotonic, body_limit=lambda _request: 1_000)

    def take(self, _request: Request) -> None:
        self.taken += 1

    def expect_within(self, _seconds: float) -> None: ...

    def encourage(self) -> None: ...

    def refuse(self, _answer: Answer) -> None: ...


GOOD = b"GET / HTTP/1.1"
LINES = [GOOD, GOOD, GOOD, GOOD, GOOD, b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/1.0", b"POST /x HTTP/1.1",
         b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"PRI * HTTP/2.0", b"HTTP/1.1 200 OK", b"GET  / HTTP/1.1",
         b"GET /\r HTTP/1.1"]  # fmt: skip
FIELDS = [b"a: b", b"a:", b"a: \x80", b" folded", b"Content-Length: 3", b"Content-Length: 0", b"Content-Length:\t4",
          b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade",
          b"Upgrade: x", b"Expect: 100-continue"]  # fmt: skip
ENDS = [b"\r\n"] * 25 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b" \r\n", b"\0\r\n"]
BODIES = [b"", b"", b"abc", b"\r\n\r", b"0\r\n\r\n", b"\r\n\r\n", b"\n\n"]


def anything(chance: random.Random) -> bytes:
    """Return requests that follow each other, of which some are no good."""
    data = b""
    for _ in range(chance.randrange(1, 5)):
        for line in (chance.choice(LINES), *chance.choices(FIELDS, k=chance.randrange(3)), b""):
            data += line + chance.choice(ENDS)
        data += chance.choice(BODIES)
    return data


@pytest.mark.parametrize("seed", range(20))
def test_of_whatever_is_sent_a_step_takes_one_request(seed: int) -> None:
    """Heads end where the server looks for their end, and nowhere else: else a step could hide many requests."""
    chance = random.Random(seed)
    whole = 0
    for _ in range(1_000):
        data = anything(chance)
        asker = _Asker()
        reader = Reader(asker)  # type: ignore[arg-type]
        step = chance.choice([1, 2, 7, len(data)])
        for start in range(0, len(data), step):
            part = data[start : start + step]
            while part and reader.state is not State.DEAF:
                before = asker.taken
                read = reader.feed(part)
                assert asker.taken - before <= 1, data
                assert read == len(part) or asker.taken > before or reader.state is State.DEAF
                part = part[read:]
        whole += asker.taken
    assert whole > 300
