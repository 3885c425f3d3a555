"""Typed settings from the environment, failing loudly with the variable's name and what it expects."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import pq

from subscriptions import options, server_urls
from subscriptions.options import Option
from webhooks_project.embedded import home

BASE_DIR = home()

BACKEND = "webhooks_project.postgresql"
NOT_RUNNING = "not-running"
"""The name of the database where none is named and none of our own runs."""

FILE = "_FILE"
"""What the name of a secret's variable ends with where its value is the path of a file that holds the secret."""
_KNOWN = {"WEBHOOKS_STATE_DIR"}  # and whatever is read
_OF_KUBERNETES = re.compile(r"_SERVICE_HOST|_SERVICE_PORT(_.*)?|_PORT(_[0-9]+_.*)?")
"""What Kubernetes adds to the environment for a service that is called `webhooks`, behind its name."""

_reader = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))


def read(name: str, option: Option) -> Any:
    """Return what the variable `name` says, stripped; the option's default where it is unset or empty.

    A secret may stand in a file that the variable `name`_FILE leads to. Raises ImproperlyConfigured with the variable's
    name and what it expects.
    """
    _KNOWN.add(name)
    raw = _reader.str(name, default="").strip()
    if option.secret and (path := _reader.str(name + FILE, default="").strip()):
        if raw:
            raise ImproperlyConfigured(f"{name} and {name}{FILE} are both set. Keep one of them.")
        raw = _from_file(name, path)
    if raw == "":
        return option.default
    try:
        return option.parse(raw)
    except ValueError as error:
        given = name if option.secret else f"{name}={raw!r}"
        raise ImproperlyConfigured(f"{given}: {error}. It expects {option.expects}.") from error


def _from_file(name: str, path: str) -> str:
    """Return the secret in a file, stripped. Raises ImproperlyConfigured for one that can't be read, or holds none."""
    expects = f"{name}{FILE} expects the path of a UTF-8 file that holds {name} and that this process may read."
    try:
        found = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise ImproperlyConfigured(f"{name}{FILE}={path!r} can't be read: {told}. {expects}") from error
    if not found:
        raise ImproperlyConfigured(f"{name}{FILE}={path!r} is empty. {expects}")
    return found


def unknown() -> dict[str, str]:
    """Return which variables with our prefix, in the environment or .env, nothing reads → the one each may mean."""
    found = {}
    for name in sorted(os.environ):
        rest = name.removeprefix(options.PREFIX.rstrip("_"))
        known = {name, name.removesuffix("_FILE")} & _KNOWN
        if name.startswith(options.PREFIX) and not known and not _OF_KUBERNETES.fullmatch(rest):
            found[name] = next(iter(difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.8)), "")
    return found


def merchant_webhooks() -> dict[str, Any]:
    """Return the options of the apps, as a project that installs them writes them into its settings."""
    return {key: read(options.variable(key), option) for key, option in options.OPTIONS.items()}


def text(name: str, default: str = "") -> str:
    """Return the variable `name` as text, stripped; `default` where it is unset or empty."""
    return str(read(name, options.text(default)))


def secret(name: str) -> str:
    """Return a text that messages don't show, from the variable `name` or a file; nothing where neither is set."""
    return str(read(name, options.text(secret=True)))


def secrets(name: str) -> list[str]:
    """Return a list of such texts, separated by commas or line ends."""
    return list(read(name, options.words(secret=True)))


def flag(name: str, default: bool) -> bool:
    """Return a boolean. Raises ImproperlyConfigured on anything but true/false, yes/no, on/off, 1/0."""
    return bool(read(name, options.flag(default)))


def whole(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number within bounds. Raises ImproperlyConfigured with the bounds otherwise."""
    return int(read(name, options.whole(default, minimum=minimum, maximum=maximum)))


def seconds(name: str, default: float, *, minimum: float = 0.0) -> float:
    """Return a duration in seconds. Raises ImproperlyConfigured when it is not a number of at least `minimum`."""
    return float(read(name, options.seconds(default, minimum=minimum)))


def words(name: str, default: list[str] | None = None) -> list[str]:
    """Return a comma-separated list, blanks dropped."""
    return list(read(name, options.words())) or default or []


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed`. Raises ImproperlyConfigured listing them otherwise."""
    return str(read(name, options.choice(default, allowed)))


def broker_url() -> str:
    """Return CELERY_BROKER_URL, empty where it is unset. Raises ImproperlyConfigured where no broker is meant."""
    expects = f"{server_urls.REDIS_EXPECTS}, {server_urls.AMQP_EXPECTS}"
    return str(read("CELERY_BROKER_URL", options.url("", server_urls.broker_url, expects)))


DATABASE_EXPECTS = "postgres://user:password@host:5432/name"
DJANGOS = ("assume_role", "isolation_level", "server_side_binding", "pool")
"""Options of a database that are Django's own."""


def database(url: str | None, name: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's settings for the database URL of a variable, its query as options (`?sslmode=verify-full`).

    None: no database is named and none of our own runs; the first use says so. Raises ImproperlyConfigured unless it
    is PostgreSQL's, with a name, and options that there are.
    """
    if url is None:
        return {"ENGINE": BACKEND, "NAME": NOT_RUNNING}
    try:
        config = _postgresql(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}. It expects {DATABASE_EXPECTS}.") from None
    return config | {"ENGINE": BACKEND}


def _postgresql(url: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception:  # noqa: BLE001 - what it says may hold a part of the password
        raise ValueError(
            "it can't be read: a port is no number, or a password has a /, ? or # not written %2F"
        ) from None
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ValueError("it names a database that is not supported")
    options = config.get("OPTIONS", {})
    if not config["NAME"] and "service" not in options:
        raise ValueError("it names no database")
    if any(host.count(":") == 1 for host in config["HOST"].split(",")):
        raise ValueError("a port is no number")
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    server_urls.database_options(options, {*known, *DJANGOS})
    return config
