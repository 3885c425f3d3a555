"""Our running PostgreSQL as Django's settings name a database, for projects that install the apps."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from webhooks_project.embedded.announcements import running_url


def database() -> dict[str, Any]:
    """Return the settings of the PostgreSQL that `python -m webhooks_project.embedded` runs.

    Where none runs, what connects to it says so by itself.
    """
    address = urlsplit(running_url("postgres") or "postgres://nobody@127.0.0.1:9/start-webhooks_project.embedded-first")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path.removeprefix("/"),
        "USER": unquote(address.username or ""),
        "PASSWORD": unquote(address.password or ""),
        "HOST": address.hostname,
        "PORT": address.port,
    }
