"""The small server of receivers: what can't be read is refused, not raised."""

from __future__ import annotations

import socket

import pytest

from deliveries.management.receiver.server import Answer, HttpServer


@pytest.mark.parametrize(
    ("length", "status"), [("9" * 5000, 413), ("9" * 20, 413), ("0" * 5000, 413), ("16777217", 413), ("x", 400)]
)
def test_a_length_that_no_body_has_is_refused(length: str, status: int) -> None:
    request = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    with (
        HttpServer(lambda _request: Answer()) as server,
        socket.create_connection((server.host, server.port), timeout=5) as client,
    ):
        client.sendall(request.encode())
        assert client.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())
