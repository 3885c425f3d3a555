"""The ground of every test: a fixed environment, Valkey of our own, and no way to the outside world.

All of it must stand before Django reads its settings, so pytest-django is given no settings module: we name it here and
set Django up, ahead of the conftest files below this one, which may import models.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

import django
import pytest
import redis
from django.conf import settings

from tests.services import TEST_ENVIRONMENT
from webhooks_project.embedded import EmbeddedValkey

_settings_came_first = settings.configured
_outside: list[str] = []  # what the running test tried to reach


def _start_valkey() -> EmbeddedValkey | None:
    """Set the environment; start Valkey unless REDIS_URL names one."""
    os.environ.update(TEST_ENVIRONMENT)
    os.environ.setdefault("DATABASE_URL", "")  # a developer's .env is not for tests
    if os.environ.get("REDIS_URL"):
        return None
    server = EmbeddedValkey().start()
    os.environ |= {"REDIS_URL": server.url, "CELERY_BROKER_URL": ""}
    return server


def _start_django() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "webhooks_project.settings"
    django.setup()
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1  # quick, and still read by servers that tests start as processes


_valkey = _start_valkey()
_redis = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=10)
_start_django()


def pytest_configure() -> None:
    """Refuse to run where tests would harm someone's data. Raises pytest.UsageError."""
    if _settings_came_first:
        raise pytest.UsageError(
            "Unset DJANGO_SETTINGS_MODULE and leave --ds out: tests/conftest.py names the settings."
        )
    if keys := _redis.dbsize():
        raise pytest.UsageError(
            f"REDIS_URL names a database that holds {keys} keys. Tests empty theirs again and again: "
            "name an empty one, like redis://127.0.0.1:6379/15, or unset REDIS_URL."
        )


def pytest_sessionfinish() -> None:
    """Leave Redis as empty as it was found."""
    _redis.flushdb()


def pytest_unconfigure() -> None:
    """End the server that is ours."""
    _redis.close()
    if _valkey is not None:
        _valkey.stop()


@pytest.fixture(autouse=True)
def empty_redis() -> redis.Redis:
    """Start each test with an empty database, one that was empty when the session began."""
    _redis.flushdb()
    return _redis


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
    """Close the main thread's engine session after the test, so that none outlives the rows it has seen."""
    yield
    from deliveries.db import engine_session

    engine_session.close()


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
