"""A Redis that answers no: how each refusal is provoked on a real server, and healed.

What a server of one's own can't be made to say is said in its place by one that says nothing else.
"""

from __future__ import annotations

import contextlib
import signal
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from webhooks_project.embedded import EmbeddedValkey, free_port

Refusal = Callable[[Any], contextlib.AbstractContextManager[None]]


@pytest.fixture
def own_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedValkey]:
    """A server for this test alone, as Redis and broker: others that run beside it share the tests' one."""
    with EmbeddedValkey() as server:
        settings.REDIS_URL = server.url
        monkeypatch.setenv("CELERY_BROKER_URL", server.url)  # Celery reads it before its settings
        yield server


def _client(server: EmbeddedValkey, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=10, retry=None, **options)


def _settings(**settings: object) -> Refusal:
    """Refuse while these settings (`_` for `-`) are in force; connections begin anew, as on another server."""

    @contextlib.contextmanager
    def refuse(server: EmbeddedValkey) -> Iterator[None]:
        names = {name.replace("_", "-"): str(value) for name, value in settings.items()}
        with _client(server) as client:
            before = {name: client.config_get(name)[name] for name in names}
            client.config_set(*[word for pair in names.items() for word in pair])
            client.client_kill_filter(skipme=True, _type="normal")
            yield
            client.config_set(*[word for pair in before.items() for word in pair])

    return refuse


@contextlib.contextmanager
def _replica(server: EmbeddedValkey, *, stale: bool) -> Iterator[None]:
    """Be a replica whose master is away, as during a fail-over."""
    with _client(server) as client:
        client.config_set("replica-serve-stale-data", "yes" if stale else "no")
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        yield
        client.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def _busy(server: EmbeddedValkey) -> Iterator[None]:
    """Be busy with somebody's endless script."""

    def run() -> None:
        with _client(server) as other, contextlib.suppress(redis.RedisError):
            other.connection_pool.connection_kwargs["socket_timeout"] = 60
            other.eval("while true do end", 0)

    with _client(server) as client:
        client.config_set("busy-reply-threshold", 50)
        endless = threading.Thread(target=run)
        endless.start()
        try:
            yield
        finally:
            client.script_kill()
            endless.join()


@contextlib.contextmanager
def _forbidden(server: EmbeddedValkey) -> Iterator[None]:
    """Let the user that everybody is write nothing."""
    with _client(server) as client:
        client.acl_setuser("doctor", enabled=True, nopass=True, categories=["+@all"], keys=["*"])
        with _client(server, username="doctor", password="any") as other:
            other.execute_command("ACL", "SETUSER", "default", "-@write", "-@scripting")
            yield
            other.execute_command("ACL", "SETUSER", "default", "+@all")


def _wrong_type(*names: str) -> Refusal:
    """Hold something else under these keys."""

    @contextlib.contextmanager
    def refuse(server: EmbeddedValkey) -> Iterator[None]:
        with _client(server) as client:
            ends = threading.Event()

            def keep_wrong() -> None:
                while not ends.wait(0.02):  # what is made anew in between
                    client.mset(dict.fromkeys(names, "somebody else's"))

            keeper = threading.Thread(target=keep_wrong)
            keeper.start()
            try:
                yield
            finally:
                ends.set()
                keeper.join()
            client.delete(*names)

    return refuse


class _Saying(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _saying(answer: str) -> Refusal:
    """Stand in for a server that answers each command with this error."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while data := self.request.recv(65536):
                    commands = data.count(b"\r\n*") + data.startswith(b"*")
                    self.request.sendall(f"-{answer}\r\n".encode() * commands)

    @contextlib.contextmanager
    def refuse(server: EmbeddedValkey) -> Iterator[None]:
        server.end(signal.SIGKILL)
        with _Saying(("127.0.0.1", server.port), Handler) as stub:
            threading.Thread(target=stub.serve_forever, args=(0.05,), daemon=True).start()
            yield
            stub.shutdown()
        server.resume()

    return refuse


REFUSALS: dict[str, Refusal] = {
    "OOM": _settings(maxmemory=1, maxmemory_policy="noeviction"),
    "READONLY": lambda server: _replica(server, stale=True),
    "MASTERDOWN": lambda server: _replica(server, stale=False),
    "NOAUTH": _settings(requirepass="changed"),
    "NOREPLICAS": _settings(min_replicas_to_write=1),
    "NOPERM": _forbidden,
    "BUSY": _busy,
    "max number of clients": _settings(maxclients=1),
    "WRONGTYPE": _wrong_type("mw:ready", "mw:bell", "mw:dispatchers", "mw:called", "mw:workers"),
    "WRONGTYPE of the broker": _wrong_type("deliveries", "housekeeping", "_kombu.binding.deliveries"),
    "LOADING": _saying("LOADING Redis is loading the dataset in memory"),
    "CLUSTERDOWN": _saying("CLUSTERDOWN The cluster is down"),
    "MISCONF": _saying("MISCONF Errors writing to the AOF file"),
    "ERR": _saying("ERR unknown command"),
}
"""What it says → how it comes to say so."""
