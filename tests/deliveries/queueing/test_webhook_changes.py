from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Attempt, Delivery
from deliveries.queueing import webhook_changes
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.worker.scheduler import sweep
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, claim_one, due, due_one, expire, reread, shift_due
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def test_deleting_a_webhook_cancels_what_waits() -> None:
    """Promise 9: with the reason."""
    delivery = due_one()
    services.delete_webhook(webhook=delivery.webhook)
    stored = reread(delivery)
    assert (stored.status, stored.due_at) == (Delivery.Status.CANCELLED, None)
    assert (stored.reason_code, stored.reason_values) == (ReasonCode.WEBHOOK_DELETED, None)
    assert stored.closed_at is not None


def test_disabling_a_webhook_skips_what_waits_with_its_reason() -> None:
    """Promise 9."""
    webhook = make_webhook()
    first, second = due(webhook, 2)
    Delivery.objects.filter(pk=second.pk).update(status=Delivery.Status.RETRYING, tries=1)
    services.disable(webhook=webhook, reason="Too many failures.")
    for delivery in (first, second):
        stored = reread(delivery)
        assert (stored.status, stored.due_at) == (Delivery.Status.SKIPPED, None)
        assert stored.reason_code == ReasonCode.WEBHOOK_DISABLED
        assert stored.reason_values == {"why": "Too many failures."}


def test_other_webhooks_and_closed_deliveries_stay_as_they_are() -> None:
    webhook, other = make_webhook(), due_one()
    delivered = due_one(webhook)
    outcomes.record([answered(claim_one(delivered))])
    services.delete_webhook(webhook=webhook)
    assert reread(delivered).status == Delivery.Status.DELIVERED
    assert reread(other).status == Delivery.Status.PENDING


def test_what_is_being_sent_keeps_its_claim_and_its_outcome_decides() -> None:
    delivery = due_one()
    row = claim_one(delivery)
    services.delete_webhook(webhook=delivery.webhook)
    assert reread(delivery).status == Delivery.Status.SENDING
    outcomes.record([answered(row, 200)])
    assert reread(delivery).status == Delivery.Status.DELIVERED


def test_what_a_failure_leaves_open_the_sweep_closes() -> None:
    delivery = due_one()
    row = claim_one(delivery)
    services.disable(webhook=delivery.webhook, reason="Enough.")
    outcomes.record([answered(row, 500)])
    assert reread(delivery).status == Delivery.Status.RETRYING
    shift_due(delivery, -60)
    sweep()
    assert reread(delivery).status == Delivery.Status.SKIPPED
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("paused", [False, True])
def test_the_sweep_closes_what_was_being_sent_when_worker_and_webhook_went(paused: bool) -> None:
    delivery = due_one()
    claim_one(delivery)
    if paused:
        services.pause(webhook=delivery.webhook, by="test")
    services.delete_webhook(webhook=delivery.webhook)
    expire(delivery)
    sweep()
    assert reread(delivery).status == Delivery.Status.CANCELLED


def test_closing_leaves_a_webhook_that_is_on_alone() -> None:
    delivery = due_one()
    assert webhook_changes.close_open(delivery.webhook_id) == 0
    assert webhook_changes.close_open(0) == 0
    assert reread(delivery).status == Delivery.Status.PENDING


def test_a_paused_webhook_gives_what_it_held_when_it_is_resumed() -> None:
    """Promise 9: held, not lost."""
    delivery = due_one()
    services.pause(webhook=delivery.webhook, by="test")
    assert claim(delivery.webhook).rows == []
    services.resume(webhook=delivery.webhook, by="test")
    assert len(claim(delivery.webhook).rows) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["resume", "enable", "update"])
def test_a_change_that_may_let_something_go_wakes_the_webhook(empty_redis: Any, change: str) -> None:
    webhook = make_webhook()
    Webhook.objects.filter(pk=webhook.pk).update(
        paused_at=timezone.now() if change == "resume" else None, is_enabled=change != "enable"
    )
    empty_redis.flushdb()
    match change:
        case "resume":
            services.resume(webhook=webhook, by="test")
        case "enable":
            services.enable(webhook=webhook)
        case _:
            services.update_webhook(webhook=webhook, max_in_flight=3)
    assert empty_redis.smembers("mw:ready") == {str(webhook.pk).encode()}


@pytest.fixture
def chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_changes, "CHUNK", 2)


@pytest.mark.usefixtures("chunks_of_two")
def test_a_long_backlog_is_closed_bit_by_bit_after_the_change(
    django_capture_on_commit_callbacks: Any,
) -> None:
    webhook = make_webhook()
    deliveries = due(webhook, 5)
    with django_capture_on_commit_callbacks() as later:
        services.delete_webhook(webhook=webhook)
    cancelled = Delivery.objects.filter(status=Delivery.Status.CANCELLED, due_at=None)
    assert cancelled.count() == 2  # the change's own transaction locks no more than that
    for callback in later:
        callback()
    assert cancelled.count() == len(deliveries)


@pytest.mark.usefixtures("chunks_of_two")
def test_the_sweep_goes_on_closing_where_the_one_who_began_it_died() -> None:
    webhook = make_webhook()
    deliveries = due(webhook, 5)
    shift_due(deliveries[4], 3600)
    services.disable(webhook=webhook, reason="Enough.")  # and what follows the commit never runs
    assert reread(deliveries[4]).status == Delivery.Status.SKIPPED, "What is due last must not wait to be due."
    for left in (1, 0):
        sweep()
        assert Delivery.objects.filter(due_at__isnull=False).count() == left


@pytest.mark.usefixtures("chunks_of_two")
def test_closing_ends_when_the_webhook_is_on_again() -> None:
    webhook = make_webhook()
    deliveries = due(webhook, 3)
    services.disable(webhook=webhook, reason="Enough.")
    services.enable(webhook=webhook)
    assert webhook_changes.close_open(webhook.pk) == 0
    assert Delivery.objects.filter(due_at__isnull=False).count() == len(deliveries) - 2
