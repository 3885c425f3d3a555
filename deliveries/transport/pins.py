"""The vetted addresses of connections as libcurl is told them: entries of its name cache, each for one connection."""

from __future__ import annotations

import socket

from .resolver import Endpoint


class Pins:
    """The names that stand in libcurl's name cache, so that each is taken out again once it has served."""

    def __init__(self) -> None:
        self._fresh: list[str] = []
        self._served: list[str] = []

    def put(self, name: str, port: int, endpoint: Endpoint) -> list[str]:
        """Return what to give `RESOLVE`: this pin, and those of earlier rounds to take out."""
        entries = [f"-{pin}" for pin in self._served]
        self._served.clear()
        self._fresh.append(f"{name}:{port}")
        address = f"[{endpoint.address}]" if endpoint.family == socket.AF_INET6 else str(endpoint.address)
        return [*entries, f"{name}:{port}:{address}"]

    def round_over(self) -> None:
        """Note that libcurl has looked up what was put so far."""
        if self._fresh:
            self._served += self._fresh
            self._fresh.clear()
