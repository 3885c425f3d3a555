"""What the admin's forms print as examples, in placeholders and help texts, is what they take."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from deliveries.retries.policy import RetryPolicy
from subscriptions import validators, webhook_rules
from subscriptions.admin import text_settings
from subscriptions.admin.webhook_form import WebhookForm
from subscriptions.validators import settings

FIELDS = WebhookForm.base_fields
PLACEHOLDERS = {
    name: field.widget.attrs["placeholder"] for name, field in FIELDS.items() if "placeholder" in field.widget.attrs
}


def after(text: str) -> str:
    """Return the example of a placeholder that says what an empty field means first."""
    return text.rpartition("such as ")[2]


PLACES: dict[str, dict[str, str]] = {
    "sqs": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/q"},
    "eventbridge": {"region": "eu-west-1", "bus": "b", "source": "s"},
    "pubsub": {"project": "a-project-1", "topic": "a-topic"},
}


def destination(kind: str, name: str, text: str) -> Any:
    place = webhook_rules.rules().check_destination(kind, PLACES[kind] | {name: text}, None)
    return place.settings[name] == text


def endpoint_sign_in(name: str, text: str) -> Any:
    settings = {"method": "oauth2", "token_url": "https://login.example.com/", "client_id": "c", name: text}
    made = webhook_rules.rules().check_sign_in(settings, None)
    webhook_rules.rules().check_url(made.settings["token_url"])
    return made.settings[name] == text


CHECKS: dict[str, Any] = {
    "url": lambda text: validators.clean_webhook({"url": text}, dialect="standard"),
    "patterns": lambda text: validators.clean_webhook({"events": text_settings.words_of(text)}, dialect="standard"),
    "retry_policy": lambda text: RetryPolicy.from_dict(text_settings.policy_of(after(text)) or {}),
    "expire_after": lambda text: settings.CLEANERS["expire_after"](int(text_settings.seconds_of(after(text)) or 0)),
    "headers": lambda text: validators.clean_webhook({"headers": text_settings.headers_of(text)}, dialect="standard"),
    "transform": lambda text: validators.clean_webhook({"transform": text}, dialect="standard"),
    "filter": lambda text: validators.clean_webhook({"filter": text}, dialect="standard"),
    "chosen_fields": lambda text: validators.clean_webhook(
        {"fields": text_settings.words_of(text)}, dialect="standard"
    ),
    **{name: partial(endpoint_sign_in, name) for name in ("token_url", "scope")},
    **{name: partial(destination, kind, name) for kind, place in PLACES.items() for name in place},
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(PLACEHOLDERS))
def test_a_placeholder_is_an_example_that_the_field_takes(name: str) -> None:
    assert CHECKS[name](PLACEHOLDERS[name])


def test_every_placeholder_of_a_field_is_tried() -> None:
    assert set(PLACEHOLDERS) == set(CHECKS)


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_patterns_and_waits_of_help_texts_are_taken(name: str) -> None:
    text = str(FIELDS[name].help_text)
    for pattern in re.findall(r"\b([a-z]+\.\*)", text):
        assert validators.clean_webhook({"events": [pattern]}, dialect="standard")
    for wait in re.findall(r"\b(\d+[smhd](?:, \d+[smhd])*)\b", text):
        assert text_settings.policy_of(wait)
