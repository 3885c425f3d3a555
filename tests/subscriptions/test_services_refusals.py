"""Webhooks that can't be made: every refusal with its field, and nothing stored."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from subscriptions import services
from subscriptions.models import SigningSecret, Webhook
from subscriptions.signals import webhook_changed
from tests.support.factories import PLAIN_SECRET, make_event_type, make_merchant, make_webhook

pytestmark = pytest.mark.django_db

URL = "https://shop.example.com/hooks"


def problems_of(**settings: Any) -> dict[str, list[str]]:
    """What `create_webhook` objects to; nothing may be stored."""
    settings = {"merchant": make_merchant(), "url": URL, "events": ["*"], **settings}
    with pytest.raises(ValidationError) as caught:
        services.create_webhook(**settings)
    assert not Webhook.objects.exists()
    assert not SigningSecret.objects.exists()
    return caught.value.message_dict


def test_every_wrong_field_is_named_at_once():
    problems = problems_of(
        url="ftp://shop.example.com",
        events=["order..created"],
        name="x" * 201,
        dialect="morse",
        headers={"webhook-id": "mine"},
        retry_policy={"delays": "soon"},
        timeout=31,
        max_in_flight=0,
        rate_limit=0,
        filter="data.[",
        fields=["a..b"],
        is_enabled="yes",
        body_style="roman",
        api_version="2024\x0001",
        colour="blue",
    )
    assert set(problems) == {
        *("url", "events", "name", "dialect", "headers", "retry_policy", "timeout", "max_in_flight", "rate_limit"),
        *("filter", "fields", "is_enabled", "body_style", "api_version", "colour"),
    }
    assert all(len(texts) == 1 for texts in problems.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", 5),
        ("url", ""),
        ("url", "https://shop.example.com/a\nb"),
        ("name", 5),
        ("name", "a\x00b"),
        ("name", "a\ud800b"),
        ("dialect", ["alva"]),
        ("dialect", "x" * 10_000),
        ("secret", 123456789012),
        ("secret", "x" * 10_000),
        ("body_style", {}),
        ("api_version", "2024\n01"),
        ("headers", ["X-Shop"]),
        ("headers", {"X-Shop": 5}),
        ("retry_policy", [5, 25, 125]),
        ("retry_policy", "5,25,125"),
        ("timeout", "10"),
        ("timeout", True),
        ("timeout", float("nan")),
        ("timeout", 0.49),
        ("timeout", 10**400),
        ("max_in_flight", 1.5),
        ("max_in_flight", True),
        ("max_in_flight", 501),
        ("rate_limit", float("inf")),
        ("rate_limit", 0.009),
        ("filter", 5),
        ("filter", "data.total == '\x00'"),
        ("filter", "a" * 2001),
        ("fields", "id"),
        ("fields", [5]),
        ("fields", ["id"] * 101),
        ("is_enabled", None),
        ("is_enabled", 1),
        ("events", None),
        ("events", "order.created"),
        ("events", {"order.created": True}),
        ("events", []),
        ("events", [5]),
        ("events", ["*"] * 101),
        ("merchant_id", 1),
        ("deleted_at", None),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(field, value):
    assert list(problems_of(**{field: value})) == [field]


@pytest.mark.parametrize("secret", ["short", "eleven-char", " a-secret-with-an-edge", "a-secret-with-é-in-it"])
@pytest.mark.parametrize("dialect", ["alva", "standard"])
def test_a_secret_that_cannot_sign_is_refused_without_being_repeated(dialect, secret):
    problems = problems_of(dialect=dialect, secret=secret)
    assert list(problems) == ["secret"]
    assert secret not in str(problems)


def test_a_standard_secret_must_have_its_own_form():
    assert list(problems_of(dialect="standard", secret=PLAIN_SECRET)) == ["secret"]


def test_each_unknown_event_is_named_with_its_nearest_neighbour():
    problems = problems_of(events=["order.creatd", "*", "qqqq.zzzz"])
    assert problems == {
        "events": [
            "There is no event 'order.creatd'. Did you mean order.created?",
            "There is no event 'qqqq.zzzz'. Use a name from the list of event types.",
        ]
    }


def test_an_event_that_staff_took_out_of_the_catalogue_is_unknown():
    make_event_type("gadget.made", is_active=False)
    assert list(problems_of(events=["gadget.made"])) == ["events"]


def test_malformed_and_unknown_events_are_told_together():
    assert len(problems_of(events=["order created", "qqqq.zzzz"])["events"]) == 2


def test_an_inactive_merchant_gets_no_webhook():
    assert "not active" in problems_of(merchant=make_merchant(is_active=False))["merchant"][0]


def test_a_merchant_has_a_limit_of_webhooks_and_deleted_ones_do_not_count(settings):
    settings.WEBHOOKS_PER_MERCHANT_MAX = 2
    merchant = make_merchant()
    first = make_webhook(merchant)
    make_webhook(merchant)
    make_webhook()  # another merchant's
    with pytest.raises(ValidationError) as caught:
        make_webhook(merchant)
    assert "2 webhooks" in caught.value.message_dict["merchant"][0]
    services.delete_webhook(webhook=first)
    assert make_webhook(merchant).pk


def test_a_listener_that_fails_undoes_the_webhook():
    def refuse(**_: Any) -> None:
        raise RuntimeError("no")

    merchant = make_merchant()
    webhook_changed.connect(refuse)
    try:
        with pytest.raises(RuntimeError):
            services.create_webhook(merchant=merchant, url=URL, events=["*"])
    finally:
        webhook_changed.disconnect(refuse)
    assert not Webhook.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_cannot_pass_the_limit_together(settings):
    settings.WEBHOOKS_PER_MERCHANT_MAX = 1
    merchant = make_merchant()
    answers: list[str] = []

    def try_it() -> None:
        try:
            make_webhook(merchant)
            answers.append("made")
        except ValidationError:
            answers.append("refused")
        finally:
            connection.close()

    second = threading.Thread(target=try_it)
    with transaction.atomic():
        make_webhook(merchant)
        second.start()
        second.join(1)  # time enough to slip through, were the first one's transaction not waited for
    second.join(30)
    assert answers == ["refused"]
