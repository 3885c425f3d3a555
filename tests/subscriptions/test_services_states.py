"""Pausing and disabling: what each keeps of who and why, and that asking twice changes nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from subscriptions import services
from subscriptions.models import Webhook
from subscriptions.signals import webhook_changed
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def webhook() -> Webhook:
    return make_webhook()


@pytest.fixture
def told(webhook):
    """The actions told of, as they come, each with the state that was stored by then."""
    actions: list[str] = []

    def listen(*, sender: type, webhook: Webhook, action: str, **_: Any) -> None:
        assert sender is Webhook
        stored = Webhook.objects.get(pk=webhook.pk)
        assert (stored.paused_at, stored.is_enabled) == (webhook.paused_at, webhook.is_enabled)
        actions.append(action)

    webhook_changed.connect(listen)
    yield actions
    webhook_changed.disconnect(listen)


def test_a_paused_webhook_knows_since_when_and_by_whom(webhook, told):
    services.pause(webhook=webhook, by="ann@shop.example")
    webhook.refresh_from_db()
    assert webhook.paused_at is not None
    assert webhook.paused_by == "ann@shop.example"
    assert webhook.is_enabled
    assert told == ["paused"]


def test_pausing_twice_keeps_the_first_pause(webhook, told):
    services.pause(webhook=webhook, by="ann@shop.example")
    since = webhook.paused_at
    services.pause(webhook=webhook, by="bob@shop.example")
    webhook.refresh_from_db()
    assert (webhook.paused_at, webhook.paused_by) == (since, "ann@shop.example")
    assert told == ["paused"]


def test_resuming_forgets_the_pause_once(webhook, told, caplog):
    caplog.set_level(logging.INFO, logger="subscriptions")
    services.pause(webhook=webhook, by="ann@shop.example")
    services.resume(webhook=webhook, by="bob@shop.example")
    services.resume(webhook=webhook, by="bob@shop.example")
    webhook.refresh_from_db()
    assert (webhook.paused_at, webhook.paused_by) == (None, "")
    assert told == ["paused", "resumed"]


def test_a_disabled_webhook_keeps_the_first_reason(webhook, told):
    services.disable(webhook=webhook, reason="answered 410 Gone")
    services.disable(webhook=webhook, reason="by hand")
    webhook.refresh_from_db()
    assert not webhook.is_enabled
    assert webhook.disabled_reason == "answered 410 Gone"
    assert webhook.disabled_at is not None
    assert told == ["disabled"]


def test_an_enabled_webhook_forgets_the_reason(webhook, told):
    services.disable(webhook=webhook, reason="answered 410 Gone")
    services.enable(webhook=webhook)
    services.enable(webhook=webhook)
    webhook.refresh_from_db()
    assert (webhook.is_enabled, webhook.disabled_reason, webhook.disabled_at) == (True, "", None)
    assert told == ["disabled", "enabled"]


def test_pausing_and_disabling_do_not_touch_each_other(webhook):
    services.pause(webhook=webhook, by="ann")
    services.disable(webhook=webhook, reason="by hand")
    services.enable(webhook=webhook)
    assert webhook.paused_at is not None


def test_a_reason_or_name_of_any_length_and_content_is_kept_as_one_line(webhook):
    services.disable(webhook=webhook, reason="gone\x00\n" + "x" * 500)
    services.pause(webhook=webhook, by="y" * 500)
    webhook.refresh_from_db()
    assert webhook.disabled_reason == "gone  " + "x" * 194
    assert webhook.paused_by == "y" * 150
