"""Webhooks made, changed and deleted: what is stored, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions import selectors, services
from subscriptions.models import EventType, Subscription, Webhook
from subscriptions.signals import webhook_changed
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_event_type, make_merchant, make_webhook

pytestmark = pytest.mark.django_db

URL = "https://shop.example.com/hooks"


@pytest.fixture
def told():
    """The actions told of, as they come."""
    actions: list[str] = []

    def listen(*, action: str, **_: Any) -> None:
        actions.append(action)

    webhook_changed.connect(listen)
    yield actions
    webhook_changed.disconnect(listen)


# --- made -------------------------------------------------------------------------------------------------------


def test_a_new_webhook_has_its_settings_its_subscriptions_and_its_secret(told):
    merchant = make_merchant()
    made = services.create_webhook(
        merchant=merchant,
        url=URL,
        events=["order.created", "file.*"],
        name="  Warehouse ",
        dialect="alva",
        secret=PLAIN_SECRET,
        headers={"X-Warehouse": "7"},
        timeout=3,
        max_in_flight=4,
        rate_limit=2.5,
        fields=["id", "total"],
        body_style="python",
        api_version="2024-04",
    )
    webhook = Webhook.objects.get(merchant=merchant)
    assert webhook == made.webhook
    assert (webhook.url, webhook.name, webhook.dialect, webhook.is_enabled) == (URL, "Warehouse", "alva", True)
    assert (webhook.headers, webhook.timeout, webhook.max_in_flight) == ({"X-Warehouse": "7"}, 3.0, 4)
    assert (webhook.rate_limit, webhook.fields) == (2.5, ["id", "total"])
    assert (webhook.body_style, webhook.api_version) == ("python", "2024-04")
    assert selectors.patterns_of(webhook) == ["order.created", "file.*"]
    assert {subscription.merchant_id for subscription in webhook.subscriptions.all()} == {merchant.pk}
    assert made.secret == PLAIN_SECRET
    assert selectors.signing_secrets([webhook.pk]) == {webhook.pk: [PLAIN_SECRET]}
    assert told == ["created"]


@pytest.mark.parametrize("given", [None, ""])
@pytest.mark.parametrize("dialect", ["alva", "litestore", "cryptlex", "shopery", "standard"])
def test_a_secret_is_made_up_when_none_is_given(dialect, given):
    made = services.create_webhook(merchant=make_merchant(), url=URL, events=["*"], dialect=dialect, secret=given)
    assert len(made.secret) >= 24
    assert selectors.signing_secrets([made.webhook.pk])[made.webhook.pk] == [made.secret]


def test_the_secret_does_not_show_when_the_answer_is_printed():
    made = services.create_webhook(merchant=make_merchant(), url=URL, events=["*"], secret=STANDARD_SECRET)
    assert STANDARD_SECRET not in repr(made)


def test_empty_settings_mean_the_defaults():
    empty = dict.fromkeys(["headers", "retry_policy", "timeout", "max_in_flight", "rate_limit", "filter", "fields"])
    webhook = make_webhook(**empty, name=None, body_style=None, api_version="")
    webhook.refresh_from_db()
    assert (webhook.name, webhook.body_style, webhook.api_version) == ("", "compact", "2024-01")
    assert (webhook.headers, webhook.retry_policy, webhook.filter, webhook.fields) == ({}, None, "", [])
    assert (webhook.timeout, webhook.max_in_flight, webhook.rate_limit) == (None, None, None)


def test_a_webhook_may_be_made_disabled(told):
    webhook = make_webhook(is_enabled=False)
    assert not webhook.is_enabled
    assert webhook.disabled_at is not None
    assert told == ["created"]


def test_an_event_named_twice_is_one_subscription():
    assert selectors.patterns_of(make_webhook(events=["order.created", "order.created"])) == ["order.created"]


def test_an_alias_may_be_subscribed_to():
    make_event_type("gadget-made", aliases=["gadgets-made"])
    assert selectors.patterns_of(make_webhook(events=["gadgets-made"])) == ["gadgets-made"]


def test_a_prefix_that_matches_nothing_yet_is_accepted():
    assert selectors.patterns_of(make_webhook(events=["invoice.*"])) == ["invoice.*"]


# --- changed ----------------------------------------------------------------------------------------------------


def test_an_update_changes_what_is_named_and_nothing_else(told):
    webhook = make_webhook(name="before", timeout=5, events=["order.created"])
    before = webhook.updated_at
    told.clear()
    answer = services.update_webhook(webhook=webhook, name="after", rate_limit=9)
    assert answer is webhook
    stored = Webhook.objects.get(pk=webhook.pk)
    assert (stored.name, stored.rate_limit, stored.timeout) == ("after", 9.0, 5.0)
    assert stored.updated_at > before
    assert selectors.patterns_of(stored) == ["order.created"]
    assert told == ["updated"]


def test_an_update_starts_from_what_is_stored_not_from_a_stale_copy():
    webhook = make_webhook()
    stale = Webhook.objects.get(pk=webhook.pk)
    services.update_webhook(webhook=webhook, name="first")
    services.update_webhook(webhook=stale, timeout=7)
    assert (stale.name, stale.timeout) == ("first", 7.0)


def test_an_update_that_changes_nothing_tells_nobody(told):
    webhook = make_webhook(name="same", events=["order.created", "order.paid"], secret=STANDARD_SECRET)
    told.clear()
    services.update_webhook(
        webhook=webhook,
        name="same",
        events=["order.paid", "order.created"],
        secret=STANDARD_SECRET,
        dialect="standard",
        is_enabled=True,
    )
    services.update_webhook(webhook=webhook)
    assert told == []


def test_a_refused_update_changes_nothing(told):
    webhook = make_webhook(name="before", events=["order.created"])
    told.clear()
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, name="after", timeout=99, events=[], is_enabled=False)
    assert set(caught.value.message_dict) == {"timeout", "events"}
    webhook.refresh_from_db()
    assert (webhook.name, webhook.is_enabled, selectors.patterns_of(webhook)) == ("before", True, ["order.created"])
    assert told == []


def test_dropped_events_end_and_new_ones_begin_while_the_others_stay(told):
    webhook = make_webhook(events=["order.created", "order.paid"])
    kept = webhook.subscriptions.get(pattern="order.paid")
    told.clear()
    services.update_webhook(webhook=webhook, events=["order.paid", "file.*"])
    assert selectors.patterns_of(webhook) == ["order.paid", "file.*"]
    assert webhook.subscriptions.get(pattern="order.paid") == kept
    assert webhook.subscriptions.get(pattern="order.created").ended_at is not None
    assert told == ["updated"]


def test_an_event_taken_up_again_is_a_new_line_of_the_history():
    webhook = make_webhook(events=["order.created", "order.paid"])
    services.update_webhook(webhook=webhook, events=["order.paid"])
    services.update_webhook(webhook=webhook, events=["order.paid", "order.created"])
    rows = Subscription.objects.filter(webhook=webhook, pattern="order.created")
    assert [row.ended_at is None for row in rows] == [False, True]


def test_an_event_that_left_the_catalogue_may_stay_but_not_come_back():
    make_event_type("gadget.made")
    webhook = make_webhook(events=["gadget.made"])
    EventType.objects.filter(name="gadget.made").update(is_active=False)
    services.update_webhook(webhook=webhook, events=["gadget.made", "order.paid"])
    assert selectors.patterns_of(webhook) == ["gadget.made", "order.paid"]
    services.update_webhook(webhook=webhook, events=["order.paid"])
    with pytest.raises(ValidationError):
        services.update_webhook(webhook=webhook, events=["gadget.made"])


def test_an_update_may_disable_and_enable(told):
    webhook = make_webhook()
    told.clear()
    services.update_webhook(webhook=webhook, is_enabled=False)
    services.update_webhook(webhook=webhook, is_enabled=True, name="again")
    assert webhook.is_enabled
    assert told == ["disabled", "updated", "enabled"]


# --- deleted ----------------------------------------------------------------------------------------------------


def test_a_deleted_webhook_stays_for_the_log_but_hears_nothing(told):
    webhook = make_webhook(events=["order.created", "file.*"])
    told.clear()
    services.delete_webhook(webhook=webhook)
    stored = Webhook.objects.get(pk=webhook.pk)
    assert stored.deleted_at is not None
    assert not stored.is_enabled
    assert [row.ended_at is not None for row in stored.subscriptions.all()] == [True, True]
    assert not Webhook.objects.alive().exists()
    assert told == ["deleted"]


def test_deleting_twice_is_harmless(told):
    webhook = make_webhook()
    services.delete_webhook(webhook=webhook)
    moment = webhook.deleted_at
    services.delete_webhook(webhook=webhook)
    assert webhook.deleted_at == moment
    assert told == ["created", "deleted"]


@pytest.mark.parametrize(
    "change",
    [
        lambda webhook: services.update_webhook(webhook=webhook, name="x"),
        lambda webhook: services.pause(webhook=webhook, by="x"),
        lambda webhook: services.resume(webhook=webhook, by="x"),
        lambda webhook: services.enable(webhook=webhook),
        lambda webhook: services.disable(webhook=webhook, reason="x"),
        lambda webhook: services.rotate_secret(webhook=webhook),
        lambda webhook: services.switch_secret(webhook=webhook),
    ],
    ids=["update", "pause", "resume", "enable", "disable", "rotate", "switch"],
)
def test_a_deleted_webhook_cannot_be_changed_even_by_a_copy_read_before(change, told):
    webhook = make_webhook()
    stale = Webhook.objects.get(pk=webhook.pk)
    services.delete_webhook(webhook=webhook)
    told.clear()
    with pytest.raises(ValidationError) as caught:
        change(stale)
    assert webhook.public_id in caught.value.message_dict["webhook"][0]
    assert told == []


def test_a_change_locks_the_row_without_holding_up_publishing():
    webhook = make_webhook()
    with CaptureQueriesContext(connection) as captured:
        services.enable(webhook=webhook)
    reads = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    assert len(reads) == 1
    assert reads[0].endswith("FOR NO KEY UPDATE")
