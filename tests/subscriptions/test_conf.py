"""Options: one dictionary, the same defaults for a project and the service, and checks that say how to correct it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from subscriptions import checks
from subscriptions.conf import settings as read
from subscriptions.options import EVERY, KEYS, OPTIONS, variable
from webhooks_project import env

ROOT = Path(__file__).resolve().parents[2]
KEY = "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtLS0="
ENOUGH = {"REDIS_URL": "redis://127.0.0.1:6379/0", "ENCRYPTION_KEYS": [KEY]}


def found(settings: Any, options: Any) -> list[tuple[str, str]]:
    settings.MERCHANT_WEBHOOKS = options
    return [(message.msg, str(message.hint)) for message in checks.options_make_sense()]


def test_what_is_not_set_has_the_default_and_what_is_set_counts_at_once(settings: Any) -> None:
    settings.MERCHANT_WEBHOOKS = {**ENOUGH, "BATCH_MAX": 7}
    assert (read.WEBHOOKS_BATCH_MAX, read.WEBHOOKS_BODY_MAX, read.REDIS_PREFIX) == (7, 1024**2, "mw")
    del settings.MERCHANT_WEBHOOKS
    assert read.WEBHOOKS_BATCH_MAX == 1000
    assert read.ROOT_URLCONF == "webhooks_project.urls"  # the rest is Django's own


def test_nothing_is_required_but_redis_and_keys(settings: Any) -> None:
    assert found(settings, ENOUGH) == []
    assert [text for text, _hint in found(settings, {})] == [
        "MERCHANT_WEBHOOKS['ENCRYPTION_KEYS'] is not set.",
        "MERCHANT_WEBHOOKS['REDIS_URL'] is not set.",
    ]
    [(_text, hint), _redis] = found(settings, {})
    assert "Fernet.generate_key()" in hint


@pytest.mark.parametrize("key", sorted(EVERY))
def test_every_default_is_a_value_that_the_option_takes(key: str) -> None:
    option = EVERY[key]
    assert option.check(option.default) == option.default or option.required


@pytest.mark.parametrize(
    ("key", "meant"),
    [("BODY_MX", "BODY_MAX"), ("WEBHOOKS_BODY_MAX", "BODY_MAX"), ("batch_max", "BATCH_MAX"), ("REDIS", "REDIS_URL")],
)
def test_a_misspelt_option_is_found_with_the_one_that_was_meant(settings: Any, key: str, meant: str) -> None:
    [(text, hint)] = found(settings, {**ENOUGH, key: 1})
    assert (text, hint) == (f"MERCHANT_WEBHOOKS[{key!r}]: there is no such option.", f"Did you mean {meant!r}?")


@pytest.mark.parametrize("key", sorted(EVERY))
@pytest.mark.parametrize(
    "value", [None, object(), -1, {"a": 1}, float("nan")], ids=["None", "object", "-1", "dict", "nan"]
)
def test_a_value_of_no_sense_is_found_with_what_is_expected(settings: Any, key: str, value: Any) -> None:
    problems = found(settings, {**ENOUGH, key: value})
    assert len(problems) == 1
    assert problems[0][0].startswith(f"MERCHANT_WEBHOOKS[{key!r}]")
    assert problems[0][1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BODY_MAX", "1048576"),
        ("BODY_MAX", True),
        ("BODY_MAX", 1023),
        ("FAILURE_RATE", 101),
        ("CLAIM_GRACE", 0.5),
        ("CLAIM_GRACE", float("inf")),
        ("REQUIRE_HTTPS", "false"),
        ("REQUIRE_HTTPS", 0),
        ("ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("ALLOWED_NETWORKS", ["127.0.0.1/8"]),
        ("ALLOWED_PORTS", [0]),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_URL", "amqp://guest@localhost"),
        ("BASE_URL", "hooks.example.com"),
        ("ENCRYPTION_KEYS", KEY),
        ("ENCRYPTION_KEYS", [KEY, "too short"]),
    ],
)
def test_a_value_out_of_bounds_or_of_another_kind_is_found(settings: Any, key: str, value: Any) -> None:
    [(text, hint)] = found(settings, {**ENOUGH, key: value})
    assert text.startswith(f"MERCHANT_WEBHOOKS[{key!r}]")
    assert hint.startswith("It expects ")


@pytest.mark.parametrize("options", [None, [], "REDIS_URL", 7])
def test_what_is_no_dictionary_is_said(settings: Any, options: Any) -> None:
    [(text, _hint)] = found(settings, options)
    assert "expects a dictionary" in text


@pytest.mark.parametrize(("key", "value"), [("REDIS_URL", "x://:hush-hush@h"), ("ENCRYPTION_KEYS", ["hush-hush"])])
def test_a_problem_shows_no_secret(settings: Any, key: str, value: Any) -> None:
    assert "hush" not in str(found(settings, {**ENOUGH, key: value}))


def test_a_problem_stops_the_start(settings: Any) -> None:
    settings.MERCHANT_WEBHOOKS = {**ENOUGH, "IS_SERVICE": True, "BODY_MX": 1}  # checks load the addresses
    assert "webhooks_subscriptions.E005" in {message.id for message in run_checks() if message.is_serious()}


# --- the service's environment ----------------------------------------------------------------------------------------


def test_the_environment_fills_the_same_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (
        ("WEBHOOKS_BATCH_MAX", "7"),
        ("WEBHOOKS_CLAIM_GRACE", "2.5"),
        ("WEBHOOKS_REQUIRE_HTTPS", "no"),
        ("WEBHOOKS_ALLOWED_NETWORKS", "10.0.0.0/8, ::1/128"),
        ("WEBHOOKS_ALLOWED_PORTS", "443,8443"),
        ("WEBHOOKS_ENCRYPTION_KEYS", f"{KEY}, {KEY}"),
        ("REDIS_PREFIX", "shop"),
    ):
        monkeypatch.setenv(name, text)
    options = env.merchant_webhooks()
    assert options.keys() == OPTIONS.keys()
    assert (options["BATCH_MAX"], options["CLAIM_GRACE"], options["REQUIRE_HTTPS"]) == (7, 2.5, False)
    assert options["ALLOWED_NETWORKS"] == ["10.0.0.0/8", "::1/128"]
    assert (options["ALLOWED_PORTS"], options["ENCRYPTION_KEYS"]) == ([443, 8443], [KEY, KEY])
    assert options["REDIS_PREFIX"] == "shop"


@pytest.mark.parametrize(
    "name", [variable(key) for key, option in OPTIONS.items() if option.expects not in {"text", "a list"}]
)
def test_nonsense_in_the_environment_names_the_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "WEBHOOKS_ENCRYPTION_KEYS":
        pytest.skip("looked at by a check, so that building an image needs none")
    monkeypatch.setenv(name, "x y z")
    with pytest.raises(ImproperlyConfigured, match=rf"{name}.*It expects"):
        env.merchant_webhooks()


def test_no_module_reads_an_option_past_the_one_place() -> None:
    """Django's settings have no WEBHOOKS_…: a project that installs the apps would end with an AttributeError."""
    past = [
        f"{path.relative_to(ROOT)}: {name}"
        for package in ("deliveries", "subscriptions", "examples", "webhooks_project")
        for path in (ROOT / package).rglob("*.py")
        for text in [path.read_text("utf-8")]
        for alias in re.findall(r"^from django\.conf import settings(?: as (\w+))?$", text, re.MULTILINE)
        for name in re.findall(rf"\b{alias or 'settings'}\.(WEBHOOKS_\w+|REDIS_URL|REDIS_PREFIX)", text)
    ]
    assert past == []
    read_there = {
        name
        for package in ("deliveries", "subscriptions")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"settings\.(WEBHOOKS_\w+)", path.read_text("utf-8"))
    }
    assert read_there <= KEYS.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [("ALLOWED_PORTS", ["443"]), ("ALLOWED_PORTS", ["443", 8443]), ("BATCH_MAX", "7"), ("BATCH_MAX", 7.0)],
)
def test_a_value_in_another_form_than_it_is_used_in_is_found(settings: Any, key: str, value: Any) -> None:
    """It is used as it is given: a port in quotes would fail at each send."""
    assert len(found(settings, {**ENOUGH, key: value})) == 1


@pytest.mark.parametrize(("key", "value"), [("ALLOWED_PORTS", (443,)), ("ALLOWED_NETWORKS", ("10.0.0.0/8",))])
def test_lists_may_be_tuples(settings: Any, key: str, value: Any) -> None:
    assert found(settings, {**ENOUGH, key: value}) == []
