"""Typed settings from the environment, failing loudly with the variable's name and what it expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from subscriptions import options
from subscriptions.options import Option
from webhooks_project.embedded import home

BASE_DIR = home()

BACKEND = "webhooks_project.postgresql"
NOT_RUNNING = "not-running"
"""The name of the database where none is named and none of our own runs."""

FILE = "_FILE"
"""What the name of a secret's variable ends with where its value is the path of a file that holds the secret."""

_reader = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))


def read(name: str, option: Option) -> Any:
    """Return what the variable `name` says, stripped; the option's default where it is unset or empty.

    A secret may stand in a file that the variable `name`_FILE leads to. Raises ImproperlyConfigured with the variable's
    name and what it expects.
    """
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


def database(url: str | None, name: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's settings for the database URL of a variable, its query as options (`?sslmode=verify-full`).

    None: no database is named and none of our own runs; the first use says so. Raises ImproperlyConfigured unless it
    is PostgreSQL's.
    """
    if url is None:
        return {"ENGINE": BACKEND, "NAME": NOT_RUNNING}
    expects = "It expects postgres://user:password@host:5432/name."
    try:
        config = environ.Env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(f"{name}: {error}. {expects}") from error
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} names a database that is not supported. {expects}")
    return config | {"ENGINE": BACKEND}
