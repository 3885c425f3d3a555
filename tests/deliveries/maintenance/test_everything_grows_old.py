"""Retention's promise, for every row: what isn't open, or in review at a webhook that is there, goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import F
from django.utils import timezone

from deliveries.maintenance import leftovers, retention
from deliveries.models import (
    Attempt,
    Counter,
    DeadLetter,
    Delivery,
    Event,
    ExpungedPayload,
    HourCounter,
    Job,
    Notice,
)
from deliveries.models.events import EXPUNGED
from deliveries.publishing import publish
from deliveries.queueing import webhook_changes
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from deliveries.worker import periodic_tasks
from subscriptions import services
from subscriptions.models import IdempotencyKey, Webhook
from tests.support.aging import LONG_AGO, age, purge, settled
from tests.support.desk import make_row
from tests.support.engine import answered, claim_one, due_one, reread
from tests.support.factories import make_merchant, make_user, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

STAY = {"MaintenanceTask", "NoticePreference", "Watch", "WebhookState", "Installation"}
"""One row a webhook, address, task or installation: nothing of the log."""


def delivered() -> None:
    settled()


def discarded() -> None:
    manual_actions.discard(delivery=settled(status=500), by="ada")


def replayed_and_delivered() -> None:
    delivery = manual_actions.replay(delivery=settled(status=500), by="ada")
    outcomes.record([answered(claim_one(delivery), 200)])


def cancelled() -> None:
    manual_actions.cancel(delivery=due_one(), by="ada")


def filtered() -> None:
    publish("order.created", {}, merchant=make_webhook(filter="data.x").merchant)


def not_evaluated() -> None:
    publish("order.created", {}, merchant=make_webhook(filter="length(data.x)").merchant)


def debounced() -> None:
    webhook = make_webhook(fields=["n"])
    for _ in range(2):
        publish("order.created", {"n": 1}, merchant=webhook.merchant, resource_id="1")
    delivery = Delivery.objects.get(webhook=webhook, status="pending")
    outcomes.record([answered(claim_one(delivery), 200)])


def for_nobody() -> None:
    publish("order.created", {}, merchant=make_merchant())


def disabled_meanwhile() -> None:
    services.disable(webhook=due_one().webhook, reason="x")


def disabled_before() -> None:
    webhook = make_webhook(is_enabled=False)
    publish("order.created", {}, merchant=webhook.merchant)


def deleted_while_it_waits() -> None:
    services.delete_webhook(webhook=due_one().webhook)


def deleted_while_in_review() -> None:
    services.delete_webhook(webhook=settled(status=500).webhook)


def deleted_while_being_sent() -> None:
    delivery = due_one(make_webhook(retry_policy={"delays": []}))
    row = claim_one(delivery)
    services.delete_webhook(webhook=delivery.webhook)
    outcomes.record([answered(row, 500)])
    assert reread(delivery).status == Delivery.Status.DEAD  # as the outcome decided; upkeep sees to it


def deleted_before_this_release() -> None:
    Webhook.objects.filter(pk=settled(status=500).webhook_id).update(deleted_at=timezone.now(), is_enabled=False)


def gone_410() -> None:
    settled(status=410)


def in_review_with_a_note_then_deleted() -> None:
    delivery = settled(status=500)
    DeadLetter.objects.filter(delivery=delivery).update(note="ours", assignee=make_user())
    services.delete_webhook(webhook=delivery.webhook)


def attempt_without_a_delivery() -> None:
    Delivery.objects.filter(pk=settled().pk).delete()
    other = settled()
    Attempt.objects.filter(delivery=other).update(delivery_id=other.pk + 1_000_000)


def rows_beside_the_log() -> None:
    merchant = make_webhook().merchant
    for model in (Counter, HourCounter, Job, Notice, ExpungedPayload, IdempotencyKey):
        make_row(model, merchant)
    Job.objects.update(finished_at=timezone.now())
    Notice.objects.update(sent_at=timezone.now())
    LogEntry.objects.create(
        user_id=make_user().pk, content_type=ContentType.objects.get_for_model(Webhook), action_flag=2
    )


HISTORIES = [
    delivered, discarded, replayed_and_delivered, cancelled, filtered, not_evaluated, debounced, for_nobody,
    disabled_meanwhile, disabled_before, deleted_while_it_waits, deleted_while_in_review, deleted_while_being_sent,
    deleted_before_this_release, in_review_with_a_note_then_deleted, attempt_without_a_delivery,
    rows_beside_the_log,
]  # fmt: skip


def age_everything() -> None:
    """Let every moment of every row be long ago."""
    for model in [*apps.get_app_config("webhooks_deliveries").get_models(), IdempotencyKey, LogEntry]:
        moments = [field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]
        for name in moments:
            known: Any = model.objects.filter(**{f"{name}__isnull": False})
            known.filter(**{f"{name}__lt": timezone.now() + timedelta(days=365)}).update(**{name: F(name) - LONG_AGO})


def left() -> dict[str, int]:
    found = [*apps.get_app_config("webhooks_deliveries").get_models(), IdempotencyKey, LogEntry]
    counts = {model.__name__: model.objects.count() for model in found if model.__name__ not in STAY}
    return {name: count for name, count in counts.items() if count}


@pytest.fixture(autouse=True)
def keep_nothing_for_ever(settings: Any) -> None:
    settings.WEBHOOKS_KEEP_EXPUNCTIONS = 365


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_nothing_that_has_ended_stays(history: Callable[[], None]) -> None:
    history()
    age_everything()
    periodic_tasks.purge()
    age_everything()  # what the purge closed by itself is old in its turn
    periodic_tasks.purge()
    assert left() == {}


def test_all_of_them_together_leave_only_what_is_open_or_in_review() -> None:
    for history in HISTORIES:
        history()
    waiting, review = due_one(), settled(status=500)
    age_everything()
    periodic_tasks.purge()
    age_everything()
    periodic_tasks.purge()
    assert set(Delivery.objects.values_list("pk", flat=True)) == {waiting.pk, review.pk}
    assert left() == {"Event": 2, "Delivery": 2, "Attempt": 1, "DeadLetter": 1}
    assert not Event.objects.filter(data=EXPUNGED).exists()


@pytest.mark.parametrize("count", [1, 3])
def test_deleting_a_webhook_closes_its_dead_letters_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(webhook_changes, "CHUNK", 2)  # so that three take more than one transaction
    webhook, other = make_webhook(retry_policy={"delays": []}), settled(status=500)
    rows = [settled(webhook, 500) for _ in range(count)]
    services.delete_webhook(webhook=webhook)
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.reason_code) == (Delivery.Status.DISCARDED, ReasonCode.WEBHOOK_DELETED)
        assert row.reason == "The webhook was deleted before this could be delivered."
        dead_letter = row.dead_letters.get()
        assert (dead_letter.resolution, dead_letter.resolved_by) == ("discarded", "deletion of the webhook")
        assert dead_letter.resolved_at is not None
    assert reread(other).status == Delivery.Status.DEAD
    assert leftovers.close_dead_letters() == 0


def test_disabling_a_webhook_leaves_its_dead_letters_for_review() -> None:
    delivery = settled(status=500)
    services.disable(webhook=delivery.webhook, reason="x")
    assert reread(delivery).status == Delivery.Status.DEAD
    assert webhook_changes.close_dead_letters(delivery.webhook_id) == leftovers.close_dead_letters() == 0


def test_bodies_of_what_was_in_review_when_it_grew_old_go_once_it_is_decided(settings: Any) -> None:
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    review, done = settled(status=500), settled()
    age(review, done, by=timedelta(days=40))
    purge()
    assert Attempt.objects.exclude(response_body=b"").count() == 1
    manual_actions.discard(delivery=review, by="ada")
    assert retention.estimate(next(each for each in retention.kinds() if each.name == "bodies closed late")) == 1
    purge()
    assert not Attempt.objects.exclude(response_body=b"").exists()
    assert set(Event.objects.values_list("data", flat=True)) == {EXPUNGED}
    assert Delivery.objects.count() == 2


def test_the_walk_over_what_was_passed_starts_again_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCHES_AGAIN", 1)
    rows = [settled(status=500) for _ in range(5)]
    age(*rows, by=timedelta(days=40))
    purge("bodies", batch=2)
    for row in rows:
        manual_actions.discard(delivery=row, by="ada")
    for _ in range(3):
        purge("bodies closed late", batch=2)
    assert not Attempt.objects.exclude(response_body=b"").exists()
    Attempt.objects.update(response_body=b"again")
    for _ in range(4):
        purge("bodies closed late", batch=2)
    assert not Attempt.objects.exclude(response_body=b"").exists()
