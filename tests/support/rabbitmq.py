"""A RabbitMQ of Debian's package `rabbitmq-server`, as a process of our own: own port, own data, no service."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest

from webhooks_project.embedded import free_port
from webhooks_project.embedded.guard import GuardedServer

REQUIRED = "REQUIRE_SERVERS"
"""The variable that makes a server that isn't installed a failure; .ci/run sets it."""
GREETING = b"AMQP\x00\x00\x09\x01"
QUIET = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
"""Erlang's options: one scheduler, which doesn't spin while it has nothing to do."""


def _script() -> Path | None:
    return next(iter(sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"), reverse=True)), None)


class _NameServer(GuardedServer):
    """Erlang's name server, without which no node starts; ours alone."""

    def prepare(self) -> tuple[list[str], Path]:
        return ["epmd", "-port", str(self.port), "-address", "127.0.0.1"], Path(tempfile.mkdtemp(prefix="epmd-"))

    def answers(self) -> bool:
        return _answer(self.port, b"\x00\x01n") != b""


class RabbitMQ(GuardedServer):
    """One node. What it holds survives `end` and `resume`, as durable queues do. Skips the test where none can be."""

    def __init__(self) -> None:
        super().__init__()
        self._names = _NameServer()

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> RabbitMQ:
        if _script() is None:
            if os.environ.get(REQUIRED):
                pytest.fail("RabbitMQ is not installed, and has to be: Debian's package is rabbitmq-server")
            pytest.skip("RabbitMQ is not installed; Debian's package is rabbitmq-server")
        self._names.start()
        super().start()
        return self

    def stop(self) -> None:
        super().stop()
        self._names.stop()

    def prepare(self) -> tuple[list[str], Path]:
        folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text("loopback_users = none\ncollect_statistics_interval = 60000\n")
        variables = {
            "HOME": folder,  # of the cookie
            "ERL_EPMD_PORT": self._names.port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"n{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "enabled_plugins",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{QUIET} -kernel inet_dist_use_interface {{127,0,0,1}}",
            "RUNNING_UNDER_SYSTEMD": "true",  # no shell that stays between us and the node
        }
        return ["env", *(f"{name}={value}" for name, value in variables.items()), str(_script())], folder

    def answers(self) -> bool:
        return _answer(self.port, GREETING)[:1] == b"\x01"


def _answer(port: int, word: bytes) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(word)
        return connection.recv(64)
    return b""
