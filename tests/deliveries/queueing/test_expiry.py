"""Deliveries too old to matter are closed when their turn comes, and never sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from deliveries.models import Attempt, Delivery, LastSent, Watch
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from deliveries.worker import probes
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, due, due_one, expire, reread, shift_due, statements, widen
from tests.support.factories import make_webhook
from tests.support.ordering_groups import due_now, ordered, send, told

pytestmark = pytest.mark.django_db

S = Delivery.Status
DAY = 86_400


def age(*deliveries: Delivery, seconds: float) -> None:
    """Let these deliveries, and their due times, be so much older."""
    for delivery in deliveries:
        Delivery.objects.filter(pk=delivery.pk).update(created_at=F("created_at") - timedelta(seconds=seconds))
        if not reread(delivery).is_held:
            shift_due(delivery, -seconds)


def test_a_delivery_older_than_its_webhook_wants_is_cancelled_with_the_reason_and_never_sent() -> None:
    """Promise 9: it doesn't vanish."""
    delivery = due_one(expire_after=DAY)
    age(delivery, seconds=26 * 3600)
    batch = claim(delivery.webhook)
    stored = reread(delivery)
    assert (batch.rows, batch.full) == ([], True)
    assert (stored.status, stored.due_at, stored.claim_token, stored.attempt_count) == (S.CANCELLED, None, None, 0)
    assert (stored.reason_code, stored.reason_values["limit"]) == (ReasonCode.EXPIRED, DAY)
    assert 26 * 3600 <= stored.reason_values["age"] < 26 * 3600 + 60
    assert stored.closed_at is not None
    assert not Attempt.objects.exists()


def test_a_younger_one_is_sent() -> None:
    delivery = due_one(expire_after=DAY)
    age(delivery, seconds=DAY - 60)
    assert len(claim(delivery.webhook).rows) == 1


def test_without_an_expiry_nothing_is_too_old() -> None:
    delivery = due_one()
    age(delivery, seconds=1000 * DAY)
    assert len(claim(delivery.webhook).rows) == 1


def test_the_platforms_expiry_holds_where_the_webhook_has_none(settings: Any) -> None:
    settings.WEBHOOKS_EXPIRE_AFTER = DAY
    ours, own = due_one(), due_one(expire_after=7 * DAY)
    age(ours, own, seconds=2 * DAY)
    assert [row.delivery_id for row in claim(ours.webhook, own.webhook).rows] == [own.pk]
    assert reread(ours).status == S.CANCELLED


def test_a_retry_that_is_too_old_is_not_sent_either() -> None:
    delivery = due_one(expire_after=DAY, retry_policy={"delays": [0, 0]})
    outcomes.record([answered(claim(delivery.webhook).rows[0], 500)])
    age(delivery, seconds=2 * DAY)
    assert claim(delivery.webhook).rows == []
    assert (reread(delivery).status, reread(delivery).attempt_count) == (S.CANCELLED, 1)


def test_what_a_person_replayed_is_sent_however_old() -> None:
    delivery = due_one(expire_after=DAY)
    age(delivery, seconds=2 * DAY)
    claim(delivery.webhook)
    manual_actions.replay(delivery=reread(delivery), by="Ann")
    shift_due(delivery, -1)
    assert [row.delivery_id for row in claim(delivery.webhook).rows] == [delivery.pk]


def test_one_whose_worker_died_is_logged_and_not_sent_again_when_too_old() -> None:
    delivery = due_one(expire_after=DAY)
    claim(delivery.webhook)
    expire(delivery)
    age(delivery, seconds=2 * DAY)
    assert claim(delivery.webhook).rows == []
    attempt = Attempt.objects.get()
    assert (attempt.result, attempt.decision_code) == (Attempt.Result.INTERRUPTED, ReasonCode.EXPIRED)
    assert attempt.decision_values == reread(delivery).reason_values
    assert reread(delivery).status == S.CANCELLED


def test_one_whose_workers_died_too_often_goes_to_review_though_too_old() -> None:
    delivery = due_one(expire_after=DAY)
    for _ in range(3):
        claim(delivery.webhook)
        expire(delivery)
    age(delivery, seconds=2 * DAY)
    claim(delivery.webhook)
    assert reread(delivery).status == S.DEAD


def test_a_new_webhooks_old_backlog_goes_in_one_claim_and_in_a_few_statements() -> None:
    webhook = make_webhook(expire_after=DAY)
    old = due(webhook, 40)
    age(*old, seconds=2 * DAY)
    young = due(webhook, 2)
    with statements() as few:
        assert claim(webhook).rows == []  # its window is one
    assert len(few) <= 8
    assert set(Delivery.objects.filter(status=S.CANCELLED)) == set(old)
    assert [row.delivery_id for row in claim(webhook).rows] == [young[0].pk]


def test_expired_deliveries_cost_nothing_of_a_rate_limit() -> None:
    webhook = make_webhook(expire_after=DAY, rate_limit=1)
    widen(webhook)
    age(*due(webhook, 5), seconds=2 * DAY)
    assert claim(webhook).throttled == {}
    young = due_one(webhook)
    assert [row.delivery_id for row in claim(webhook).rows] == [young.pk]


def test_an_expired_delivery_no_longer_counts_as_what_was_last_sent() -> None:
    webhook = make_webhook(expire_after=DAY, fields=["n"])
    first = due_one(webhook)
    age(first, seconds=2 * DAY)
    claim(webhook)
    assert not LastSent.objects.exists()
    assert due_one(webhook).status == S.PENDING
    assert reread(first).reason_code == ReasonCode.EXPIRED


def test_a_paused_webhook_keeps_its_old_deliveries_until_it_is_resumed() -> None:
    delivery = due_one(expire_after=DAY)
    age(delivery, seconds=2 * DAY)
    services.pause(webhook=delivery.webhook, by="Ann")
    claim(delivery.webhook)
    assert reread(delivery).status == S.PENDING
    services.resume(webhook=Webhook.objects.get(pk=delivery.webhook_id), by="Ann")
    claim(delivery.webhook)
    assert reread(delivery).status == S.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_an_expired_head_lets_its_line_go_on_and_takes_along_what_is_as_old() -> None:
    webhook = ordered(expire_after=DAY)
    old = told(webhook, "A", "A", "A")
    age(*old, seconds=2 * DAY)
    [young] = told(webhook, "A")
    assert claim(webhook).rows == []
    assert {reread(delivery).status for delivery in old} == {S.CANCELLED}
    assert due_now(webhook) == [young.pk]


@pytest.mark.django_db(transaction=True)
def test_an_old_line_behind_one_in_review_waits_for_a_person_all_the_same() -> None:
    webhook = ordered(expire_after=DAY, retry_policy={"delays": []})
    dead, held = told(webhook, "A", "A")
    send(webhook, 500)
    age(held, seconds=2 * DAY)
    assert claim(webhook).rows == []
    assert reread(held).is_held
    manual_actions.discard(delivery=reread(dead), by="Ann")
    assert claim(webhook).rows == []
    assert reread(held).status == S.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_probe_of_a_paused_webhook_sends_nothing_too_old_and_lets_its_lines_go_on(monkeypatch: Any) -> None:
    webhook = ordered(expire_after=DAY)
    old, young = told(webhook, "A", "A")
    age(old, seconds=2 * DAY)
    services.pause(webhook=webhook, by="auto-pause")
    webhook.refresh_from_db()
    Watch.objects.update_or_create(
        webhook=webhook, defaults={"paused_at": webhook.paused_at, "probe_at": webhook.paused_at}
    )
    sent: list[int] = []
    submitter = type("Submitter", (), {"submit": lambda self, rows: sent.extend(row.delivery_id for row in rows)})
    monkeypatch.setattr(probes, "engine", type("Engine", (), {"sender": submitter()}))
    assert probes.send() == 0
    assert reread(old).status == S.CANCELLED
    assert probes.send() == 1
    assert sent == [young.pk]
