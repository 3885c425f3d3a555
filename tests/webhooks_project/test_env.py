"""Settings fail loudly, with the variable's name and what it expects."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from webhooks_project import env


def test_a_database_urls_query_becomes_options() -> None:
    config = env.database("postgres://user:secret@db.example.com:5433/hooks?sslmode=verify-full&connect_timeout=5")

    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.com", 5433, "hooks")
    assert config["OPTIONS"] == {"sslmode": "verify-full", "connect_timeout": 5}


@pytest.mark.parametrize("url", ["mysql://user@host/name", "foo://x", "nonsense"])
def test_another_database_is_refused_naming_the_variable(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL.*postgres://"):
        env.database(url)


@pytest.mark.parametrize("raw", ["abc", "443,99999999", "0"])
def test_ports_that_are_none_are_refused_naming_the_variable(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_ALLOWED_PORTS", raw)

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_ALLOWED_PORTS.*ports like"):
        env.ports("WEBHOOKS_ALLOWED_PORTS")


def test_numbers_out_of_bounds_name_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_FAST_SLOTS", "0")

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_FAST_SLOTS='0'.*at least 1"):
        env.whole("WEBHOOKS_FAST_SLOTS", 128, minimum=1)
