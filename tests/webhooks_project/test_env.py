"""Settings fail loudly, with the variable's name and what it expects."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from webhooks_project import env


def test_a_database_urls_query_becomes_options() -> None:
    config = env.database("postgres://user:secret@db.example.com:5433/hooks?sslmode=verify-full&connect_timeout=5")

    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.com", 5433, "hooks")
    assert config["OPTIONS"] == {"sslmode": "verify-full", "connect_timeout": 5}


@pytest.mark.parametrize("url", ["sqlite:///file", "mysql://user@host/name", "foo://x", "nonsense"])
def test_another_database_is_refused_naming_the_variable(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL.*postgres://"):
        env.database(url)


@pytest.mark.parametrize("raw", ["abc", "443,99999999", "0"])
def test_ports_that_are_none_are_refused_naming_the_variable(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_ALLOWED_PORTS", raw)

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_ALLOWED_PORTS.*ports like"):
        env.merchant_webhooks()


def test_numbers_out_of_bounds_name_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_RECORD_CHUNK", "0")

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_RECORD_CHUNK='0'.*at least 1"):
        env.whole("WEBHOOKS_RECORD_CHUNK", 128, minimum=1)


@pytest.mark.django_db
def test_without_a_database_the_first_use_says_how_to_start_one() -> None:
    """A newcomer's second terminal, before the first one runs anything."""
    from django.db import OperationalError

    from webhooks_project.postgresql.base import DatabaseWrapper

    given = env.database(None) | {"OPTIONS": {}, "TIME_ZONE": None, "CONN_MAX_AGE": 0, "AUTOCOMMIT": True}
    with pytest.raises(OperationalError, match=r"make demo.*DATABASE_URL"):
        DatabaseWrapper(given).ensure_connection()
