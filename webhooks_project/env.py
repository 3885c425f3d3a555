"""Typed settings from the environment, failing loudly with the variable's name and what it expects."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

BACKEND = "webhooks_project.postgresql"
NOT_RUNNING = "not-running"
"""The name of the database where none is named and none of our own runs."""

T = TypeVar("T")

_reader = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))


def _read(name: str, default: T, expects: str, parse: Callable[[str], T]) -> T:
    raw = _reader.str(name, default="").strip()
    if raw == "":
        return default
    try:
        return parse(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r}: {error}. It expects {expects}.") from error


def text(name: str, default: str = "") -> str:
    """Return the variable `name` as text, stripped; `default` where it is unset or empty."""
    return _read(name, default, "text", str)


def flag(name: str, default: bool) -> bool:
    """Return a boolean. Raises ImproperlyConfigured on anything but true/false, yes/no, on/off, 1/0."""

    def parse(raw: str) -> bool:
        word = raw.lower()
        if word in {"1", "true", "yes", "on"}:
            return True
        if word in {"0", "false", "no", "off"}:
            return False
        raise ValueError("not a boolean")

    return _read(name, default, "true or false", parse)


def whole(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number within bounds. Raises ImproperlyConfigured with the bounds otherwise."""
    bounds = f"a whole number of at least {minimum}" + (f" and at most {maximum}" if maximum is not None else "")

    def parse(raw: str) -> int:
        value = int(raw)
        if value < minimum or (maximum is not None and value > maximum):
            raise ValueError("out of bounds")
        return value

    return _read(name, default, bounds, parse)


def seconds(name: str, default: float, *, minimum: float = 0.0) -> float:
    """Return a duration in seconds. Raises ImproperlyConfigured when it is not a number of at least `minimum`."""

    def parse(raw: str) -> float:
        value = float(raw)
        if not minimum <= value < float("inf"):
            raise ValueError("out of bounds")
        return value

    return _read(name, default, f"a number of seconds of at least {minimum:g}", parse)


def split(raw: str) -> list[str]:
    """Split comma-separated text, blanks dropped."""
    return [part.strip() for part in raw.split(",") if part.strip()]


def words(name: str, default: list[str] | None = None) -> list[str]:
    """Return a comma-separated list, blanks dropped."""
    return _read(name, default or [], "a comma-separated list", split)


def networks(name: str) -> list[str]:
    """Return a comma-separated list of networks in CIDR form. Raises ImproperlyConfigured naming the wrong one."""

    def parse(raw: str) -> list[str]:
        return [str(ipaddress.ip_network(part)) for part in split(raw)]

    return _read(name, [], "networks like 127.0.0.0/8,::1/128", parse)


def ports(name: str) -> list[int]:
    """Return a comma-separated list of TCP ports. Raises ImproperlyConfigured naming the variable."""

    def parse(raw: str) -> list[int]:
        found = [int(part) for part in split(raw)]
        if any(not 1 <= port <= 65535 for port in found):
            raise ValueError("a port goes from 1 to 65535")
        return found

    return _read(name, [], "ports like 443,8443", parse)


def database(url: str | None) -> dict[str, Any]:
    """Return Django's settings for a database URL, its query as options (`?sslmode=verify-full`).

    None: no database is named and none of our own runs; the first use says so. Raises ImproperlyConfigured unless it
    is PostgreSQL's.
    """
    if url is None:
        return {"ENGINE": BACKEND, "NAME": NOT_RUNNING}
    expects = "It expects postgres://user:password@host:5432/name."
    try:
        config = environ.Env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {error}. {expects}") from error
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"DATABASE_URL names a database that is not supported. {expects}")
    return config | {"ENGINE": BACKEND}


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed`. Raises ImproperlyConfigured listing them otherwise."""

    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError("not one of the choices")
        return raw

    return _read(name, default, "one of " + ", ".join(allowed), parse)
