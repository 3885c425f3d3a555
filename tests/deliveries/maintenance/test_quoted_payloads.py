"""Reasons and details quote payloads: an expression's value, or what stopped it. The words go when the payload does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from deliveries.maintenance.expunging import expunge
from deliveries.models import Attempt, Delivery, Event
from deliveries.payloads.transformations import NotTransformed
from deliveries.publishing import publish
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from deliveries.sending import rendering
from deliveries.transport import ErrorClass
from subscriptions.models import Webhook
from tests.support.aging import LONG_AGO, age, purge
from tests.support.engine import answered, claim_one, due_one, reread, shift_due
from tests.support.factories import make_merchant, make_webhook
from tests.support.parts import in_parts

pytestmark = pytest.mark.django_db

FILTER = "contains(data.number, `9`)"
QUOTING = "{n: length(data.number)}"
"""A filter and a transformation whose complaints quote the payload."""
EXPRESSIONS = [
    (FILTER, ""),
    ("length(data.number) > `1`", ""),
    ("", QUOTING),
    ("", ""),
]
"""A filter and a transformation that end with the payload's words in the log. Neither: a fault of ours quotes them."""
MARKS = ("492995977819966", "canary-7319")


def told_of(filter_: str, transform: str) -> Event:
    """Publish to a webhook with these settings, and have told what comes of it."""
    merchant = make_merchant()
    make_webhook(merchant, filter=filter_, transform=transform)
    event = publish("order.created", {"number": 492995977819966, "secret": "canary-7319"}, merchant=merchant)
    for row in Delivery.objects.filter(event=event, due_at__isnull=False):
        failed: dict[str, Any] = {"error": ErrorClass.INTERNAL, "permanent": True}
        failed["detail"] = "The request could not be made: 'latin-1' codec can't encode 'canary-7319'"
        claimed = claim_one(row)
        try:
            rendering.render(claimed, claimed.data, timezone.now())
        except NotTransformed as error:
            failed |= {"error": ErrorClass.TRANSFORMATION_FAILED, "detail": str(error)}
        outcomes.record([answered(claimed, None, **failed)])
    assert any(mark in said(event) for mark in MARKS), "or this shows nothing"
    return event


def said(event: Event) -> str:
    """Return all that the log holds of an event, but its data."""
    rows = list(Delivery.objects.filter(event=event).values())
    attempts = list(Attempt.objects.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM webhooks_deliveries_deadletter t")
        return f"{rows} {attempts} {cursor.fetchall()}"


def by_age(event: Event, *, days: int = 40) -> None:
    """Let an event and what came of it be so old, decided, and purged."""
    for delivery in Delivery.objects.filter(event=event):
        if delivery.status == Delivery.Status.DEAD:
            manual_actions.discard(delivery=delivery, by="ada")
        age(delivery, by=timedelta(days=days))
    purge()


WAYS: dict[str, Callable[[Event], Any]] = {"expunged": lambda event: expunge(event, by="ada"), "by age": by_age}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("filter_", "transform"), EXPRESSIONS)
def test_no_word_of_a_payload_that_is_gone_stays_in_what_is_said_of_it(settings, filter_, transform, way):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    event = told_of(filter_, transform)
    WAYS[way](event)
    event.refresh_from_db()
    assert event.data == "null"
    rows = said(event)
    assert not any(mark in rows for mark in MARKS), rows
    for delivery in Delivery.objects.filter(event=event, reason_code__startswith="filter"):
        assert f"{filter_!r}" in delivery.reason, "the filter is the merchant's own"


def test_what_is_said_of_a_payload_that_is_gone_says_that_it_is(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    for filter_, transform in ((FILTER, ""), ("", QUOTING)):
        by_age(told_of(filter_, transform))
    assert Delivery.objects.earliest("pk").reason == (
        "Skipped: the filter 'contains(data.number, `9`)' can't be evaluated for this event: why is no longer known, "
        "since the payload is gone."
    )
    assert Attempt.objects.get().detail == (
        "The transformation gave no message. Why is no longer known, since the payload is gone."
    )


def test_words_stay_while_the_payload_does(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    filtered = told_of(FILTER, "")
    waiting = due_one(make_webhook(filtered.merchant))
    late = told_of("", QUOTING)
    for each in Delivery.objects.exclude(pk=waiting.pk):
        age(each, by=timedelta(days=20))
    purge()
    assert MARKS[0] in str(Delivery.objects.get(event=filtered, reason_code__startswith="filter").reason_values)
    assert MARKS[0] in Attempt.objects.get(delivery__event=late).detail
    age(Delivery.objects.get(event=late), by=timedelta(days=20))
    purge()
    assert MARKS[0] in Attempt.objects.get(delivery__event=late).detail, "it is in review"


def test_a_payload_that_went_before_words_did_loses_them_on_the_next_walk(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    event = told_of(FILTER, "")
    age(Delivery.objects.get(), by=timedelta(days=40))
    purge("payloads")
    Event.objects.update(data="null")
    Delivery.objects.update(reason_values={"filter": FILTER, "why": "'canary-7319'"})
    purge("payloads closed late")
    assert "canary-7319" not in said(event)


def test_a_delivery_that_was_brought_after_a_failed_transformation_quotes_no_more_either(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    event = told_of("", QUOTING)
    delivery = Delivery.objects.get()
    Webhook.objects.update(transform="")
    manual_actions.replay(delivery=delivery, by="ada")
    shift_due(delivery, -1)
    outcomes.record([answered(claim_one(reread(delivery)))])
    assert reread(delivery).status == Delivery.Status.DELIVERED
    by_age(event)
    assert MARKS[0] not in said(event)


@pytest.mark.parametrize("kind", ["deliveries", "events"])
def test_attempts_that_outlast_their_deliveries_in_a_part_quote_nothing(settings, kind):
    settings.WEBHOOKS_KEEP_DELIVERIES = settings.WEBHOOKS_KEEP_EVENTS = 90
    with in_parts():
        told_of("", QUOTING)
        delivery = Delivery.objects.get()
        manual_actions.discard(delivery=delivery, by="ada")
        age(delivery, by=LONG_AGO)
        purge(kind)
        assert not Delivery.objects.exists()
        assert MARKS[0] not in Attempt.objects.get().detail
