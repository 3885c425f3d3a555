"""The record of a webhook's changes: what every service does, who did it, and no value that may be secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from subscriptions import services
from subscriptions.models import Webhook, WebhookChange
from tests.support.api import Client
from tests.support.desk import Shop, sign_in
from tests.support.desk_fixtures import shop
from tests.support.factories import make_api_key, make_webhook

__all__ = ["shop"]

pytestmark = pytest.mark.django_db

ACTIONS: list[tuple[str, Callable[[Webhook], Any], tuple[str, str]]] = [
    ("url", lambda one: services.update_webhook(webhook=one, url="https://x.example.com/"), ("updated", "url")),
    (
        "events",
        lambda one: services.update_webhook(webhook=one, events=["order.paid"]),
        ("updated", "order.paid added, * taken off"),
    ),
    (
        "headers",
        lambda one: services.update_webhook(webhook=one, headers={"X-Key": "very-secret-value"}),
        ("updated", "headers"),
    ),
    ("pause", lambda one: services.pause(webhook=one, by="anna"), ("paused", "")),
    ("disable", lambda one: services.disable(webhook=one, reason="We moved."), ("disabled", "We moved.")),
    ("rotate", lambda one: services.rotate_secret(webhook=one), ("secret_rotated", "with an overlap")),
    (
        "rotate at once",
        lambda one: services.rotate_secret(webhook=one, overlap=timedelta(0)),
        ("secret_rotated", "without an overlap"),
    ),
    ("delete", lambda one: services.delete_webhook(webhook=one), ("deleted", "")),
]


@pytest.mark.parametrize(("change", "told"), [pytest.param(*rest, id=name) for name, *rest in ACTIONS])
def test_a_change_is_recorded(change: Callable[[Webhook], Any], told: tuple[str, str]) -> None:
    webhook = make_webhook()
    change(webhook)
    newest = webhook.changes.first()
    assert newest is not None
    assert (newest.action, newest.details) == told
    assert newest.by == ""
    assert "very-secret-value" not in str(list(WebhookChange.objects.values_list()))


def test_what_changes_nothing_is_not_recorded() -> None:
    webhook = make_webhook()
    services.update_webhook(webhook=webhook, url=webhook.url)
    services.resume(webhook=webhook, by="anna")
    assert [row.action for row in webhook.changes.all()] == ["created"]


def test_a_person_and_a_key_stand_in_the_record_by_name(shop: Shop) -> None:
    person = shop.people["developer"]
    sign_in(person).post(f"/admin/webhooks_subscriptions/webhook/{shop.webhook.pk}/do/pause/")
    key = make_api_key(shop.merchant)
    Client(key.text).post(f"/api/v1/webhooks/{shop.webhook.public_id}/resume")
    who = {row.action: row.by for row in shop.webhook.changes.all()}
    assert who["paused"] == person.username
    assert key.api_key.prefix in who["resumed"]


def test_nobody_is_remembered_after_the_request(shop: Shop) -> None:
    sign_in(shop.people["developer"]).get("/admin/")
    services.pause(webhook=shop.webhook, by="the platform")
    assert shop.webhook.changes.first().by == ""  # type: ignore[union-attr]
