"""The ground of every test: a fixed environment, servers of our own where needed, and no way to the outside world.

All of it must stand before Django reads its settings, so pytest-django is given no settings module: we name it here and
set Django up, ahead of the conftest files below this one, which may import models.
"""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
import redis
from django.conf import settings

from subscriptions.options import KEYS
from tests.support.services import TEST_ENVIRONMENT
from webhooks_project import env
from webhooks_project.embedded import EmbeddedValkey, free_port
from webhooks_project.embedded.postgres import EmbeddedPostgres

_settings_came_first = settings.configured
_outside: list[str] = []  # what the running test tried to reach
PURE = (
    "merchant_webhooks/test_verification.py",
    "deliveries/dialects/",
    "deliveries/payloads/",
    "deliveries/transport/",
    "deliveries/retries/",
    "deliveries/recording/test_decisions.py",
    "deliveries/recording/test_decision_properties.py",
    "deliveries/worker/test_protocol_model.py",
)
"""Tests that need no server: run by themselves they start none."""


def _prepare_environment() -> EmbeddedValkey | None:
    """Set the environment; return the Valkey to start, unless REDIS_URL names a server.

    Workers of pytest-xdist share servers: each has a database of its own on both.
    """
    os.environ.update(TEST_ENVIRONMENT)
    os.environ.setdefault("DATABASE_URL", "")  # a developer's .env is not for tests
    os.environ["CELERY_BROKER_URL"] = ""
    if given := os.environ.get("REDIS_URL"):
        if number := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
            os.environ["REDIS_URL"] = urlsplit(given)._replace(path=f"/{int(number) + 1}").geturl()
        return None
    server = EmbeddedValkey(port=free_port())
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{server._wanted_port}/0"
    return server


def _start_django() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "webhooks_project.settings"
    django.setup()
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1  # quick, and still read by servers that tests start as processes


_valkey = _prepare_environment()
_postgres: EmbeddedPostgres | None = None
_serving = _valkey is None
_redis = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=10)
_start_django()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run where tests would harm someone's data. Raises pytest.UsageError."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        del os.environ["DJANGO_SETTINGS_MODULE"]  # each worker prepares its environment before it names the settings
        if _valkey is not None:
            del os.environ["REDIS_URL"]  # nor is this Valkey started: each worker has one
    if _settings_came_first:
        raise pytest.UsageError(
            "Unset DJANGO_SETTINGS_MODULE and leave --ds out: tests/conftest.py names the settings."
        )
    if _serving and (keys := _redis.dbsize()):
        raise pytest.UsageError(
            f"REDIS_URL names a database that holds {keys} keys. Tests empty theirs again and again: "
            "name an empty one, like redis://127.0.0.1:6379/15, or unset REDIS_URL."
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers that are not given, if a chosen test needs some."""
    if session.config.option.collectonly or not any(_needs_servers(item) for item in session.items):
        return
    global _postgres, _serving  # noqa: PLW0603 - the session's own
    if _valkey is not None and not _serving:
        _valkey.start()
    _serving = True
    if not settings.DATABASE_URL and _postgres is None:
        from django.db import connections

        _postgres = EmbeddedPostgres().start()
        os.environ["DATABASE_URL"] = settings.DATABASE_URL = _postgres.url
        options = connections.settings["default"]["OPTIONS"]
        connections.settings["default"] |= env.database(_postgres.url) | {"OPTIONS": options}


def _needs_servers(item: pytest.Item) -> bool:
    place = item.path.relative_to(Path(__file__).parent).as_posix()
    return not place.startswith(PURE) or item.get_closest_marker("django_db") is not None


def pytest_sessionfinish() -> None:
    """Leave Redis as empty as it was found."""
    if _serving:
        _redis.flushdb()


def pytest_unconfigure() -> None:
    """End the servers that are ours."""
    _redis.close()
    for server in (_postgres, _valkey):
        if server is not None:
            server.stop()


class Settings:
    """pytest-django's settings, with `settings.WEBHOOKS_BODY_MAX` and its like, which stand in a dictionary there."""

    def __init__(self, wrapper: Any) -> None:
        object.__setattr__(self, "_wrapper", wrapper)

    def __getattr__(self, name: str) -> Any:
        from subscriptions.conf import settings as read

        return getattr(read, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if key := KEYS.get(name):
            name, value = "MERCHANT_WEBHOOKS", settings.MERCHANT_WEBHOOKS | {key: value}
        setattr(self._wrapper, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._wrapper, name)


@pytest.fixture(name="settings")
def settings_fixture(settings: Any) -> Settings:
    """Settings that last for a test."""
    return Settings(settings)


@pytest.fixture(autouse=True)
def empty_redis() -> redis.Redis:
    """Start each test with an empty database, one that was empty when the session began, and nobody resting from it."""
    if tallies := sys.modules.get("subscriptions.tallies"):
        tallies.forget()
    if _serving:
        _redis.flushdb()
    if engine_redis := sys.modules.get("deliveries.queueing.redis_client"):
        engine_redis.breaker.close()
        engine_redis.broker_breaker.close()
    return _redis


@pytest.fixture(scope="module", autouse=True)
def short_collections() -> None:
    """Let no collection of garbage look at what earlier modules and the thousands of collected tests have left.

    It takes longer than a whole budget of processor time, which would be used up by whichever test it falls into.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End the sessions that threads of finished tests hold, so that the database can be dropped."""
    yield
    from django.db import connection

    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        connection.close_pool()


@pytest.fixture(autouse=True)
def own_engine_session() -> Iterator[None]:
    """Close the main thread's engine session after the test, so that none outlives the rows it has seen.

    Nor does the next test hear of a database that failed this one.
    """
    yield
    from deliveries.db import engine_session, outages

    engine_session.close()
    outages.forget()


@pytest.fixture(autouse=True)
def no_rest_after_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take claims that ran out back at once: a thread that an earlier test left behind may still note its outage."""
    monkeypatch.setattr("deliveries.queueing.orphans.AFTER_OUTAGE", 0.0)


@pytest.fixture(autouse=True)
def fresh_catalogue() -> None:
    """Forget what the test before this one, whose rows are gone, had found in the catalogue."""
    from subscriptions import matching

    matching.forget_events()


# --- no test reaches the outside world ------------------------------------------------------------------------------


def _is_here(family: int, address: Any) -> bool:
    if family not in {socket.AF_INET, socket.AF_INET6}:
        return True  # Unix sockets and netlink
    try:
        place = ipaddress.ip_address(address[0].split("%")[0])
    except ValueError:
        return address[0] == "localhost"
    return place.is_loopback


def _close_the_doors() -> None:
    """Refuse connections to anywhere but loopback, and let no name but localhost resolve."""
    kept = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    resolve = socket.getaddrinfo

    def guarded(name: str) -> Any:
        def call(self: socket.socket, *words: Any) -> Any:
            if not _is_here(self.family, words[-1]):
                _outside.append(f"{name} to {words[-1]}")
                raise ConnectionRefusedError(f"tests may not {name} to {words[-1]}")
            return kept[name](self, *words)

        return call

    def getaddrinfo(host: Any, *words: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name != "localhost" and not name.endswith(".localhost"):
            named["flags"] = named.get("flags", 0) | socket.AI_NUMERICHOST  # numbers only: asks no name server
        return resolve(host, *words, **named)

    for name in kept:
        setattr(socket.socket, name, guarded(name))
    socket.getaddrinfo = getaddrinfo


_close_the_doors()


@pytest.fixture(autouse=True)
def no_outside_world() -> Iterator[None]:
    """Fail the test that tried to reach anything but loopback, in whatever thread and whoever caught the error."""
    _outside.clear()
    yield
    assert not _outside, f"tests talk to loopback only, but this one tried {_outside}"
