"""What the demo's processes find in their environment, and what of it this process takes over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

DEVELOPMENT = {
    "DEBUG": "true",
    "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    "WEBHOOKS_ALLOWED_PORTS": "",
    "WEBHOOKS_REQUIRE_HTTPS": "false",
    "CELERY_TASK_ALWAYS_EAGER": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Receivers stand on this machine and speak plain HTTP, so the demo allows both."""


def is_apart() -> bool:
    """Tell whether this is an installation beside the checkout's own, which other commands here don't mean."""
    return bool(os.environ.get("WEBHOOKS_SQLITE_PATH"))


def needs_redis() -> bool:
    """Tell whether no Redis is named, so that one of our own must be started."""
    return not os.environ.get("REDIS_URL")


def for_children(redis_url: str | None) -> dict[str, str]:
    """Return the environment of the demo's processes; `redis_url` is our own server's, None where one is named."""
    ours = {"REDIS_URL": redis_url} if redis_url else {}
    return {**os.environ, **DEVELOPMENT, **ours}


def adopt(environment: Mapping[str, str]) -> None:
    """Let this process, whose settings were read before there was a server, use what its children use."""
    settings.WEBHOOKS_ALLOWED_NETWORKS = environment["WEBHOOKS_ALLOWED_NETWORKS"].split(",")
    settings.WEBHOOKS_ALLOWED_PORTS = []
    settings.WEBHOOKS_REQUIRE_HTTPS = False
    settings.REDIS_URL = environment["REDIS_URL"]
    settings.CELERY_BROKER_URL = environment.get("CELERY_BROKER_URL") or environment["REDIS_URL"]
    settings.CELERY_TASK_ALWAYS_EAGER = False  # Celery reads its configuration from these settings at each look


def folder() -> Path:
    """Return the folder for logs and lock: beside the SQLite file, or in the checkout's var/. Made if missing."""
    beside = Path(settings.DATABASES["default"]["NAME"]).parent if settings.EMBEDDED else settings.STATE_DIR
    path = Path(beside) / "demo"
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
