"""What the demo's processes find in their environment, and what of it this process takes over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from webhooks_project import env

DEVELOPMENT = {
    "DEBUG": "true",
    "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    "WEBHOOKS_ALLOWED_PORTS": "",
    "WEBHOOKS_REQUIRE_HTTPS": "false",
    "CELERY_TASK_ALWAYS_EAGER": "false",
    "PYTHONUNBUFFERED": "1",
    "STOREFRONT_FIRST": "true",
}
"""Receivers are on this machine and speak plain HTTP, so the demo allows both; its front page is the shop."""


def needs_redis() -> bool:
    """Tell whether no Redis is named, so that one of our own must be started."""
    return not os.environ.get("REDIS_URL")


def needs_database() -> bool:
    """Tell whether no database is named, so that one of our own must be started."""
    return not settings.DATABASE_URL


def for_children(database_url: str | None, redis_url: str | None, port: int) -> dict[str, str]:
    """Return the environment of the demo's processes; the URLs are our own servers', None where one is named.

    `port` is the web process': links in mails lead there.
    """
    ours = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "WEBHOOKS_BASE_URL": f"http://127.0.0.1:{port}"}
    return {**os.environ, **DEVELOPMENT, **{name: url for name, url in ours.items() if url}}


def adopt(environment: Mapping[str, str]) -> None:
    """Let this process, whose settings were read before there was a server, use what its children use."""
    settings.MERCHANT_WEBHOOKS |= {
        "ALLOWED_NETWORKS": environment["WEBHOOKS_ALLOWED_NETWORKS"].split(","),
        "ALLOWED_PORTS": [],
        "BASE_URL": environment["WEBHOOKS_BASE_URL"],
        "REQUIRE_HTTPS": False,
        "REDIS_URL": environment["REDIS_URL"],
    }
    if settings.EMBEDDED:
        changed = env.database(environment["DATABASE_URL"])
        connections.settings["default"] |= changed | {"OPTIONS": settings.DATABASES["default"].get("OPTIONS", {})}
    settings.CELERY_BROKER_URL = environment.get("CELERY_BROKER_URL") or environment["REDIS_URL"]
    settings.CELERY_TASK_ALWAYS_EAGER = False  # Celery reads its configuration from these settings at each look


def folder() -> Path:
    """Return the folder for logs and lock. Made if missing."""
    path = Path(settings.STATE_DIR) / "demo"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def alone(where: Path) -> Iterator[None]:
    """Keep a second demo off the same database. Raises CommandError naming the first."""
    with open(where / "lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise CommandError(f"A demo runs here already, as process {file.read().strip()}. End it first.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
