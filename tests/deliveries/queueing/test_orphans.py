from __future__ import annotations

import pytest

from deliveries.db import outages
from deliveries.maintenance.expunging import expunge
from deliveries.models import Attempt, Counter, DeadLetter, Delivery
from deliveries.queueing import orphans
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from subscriptions import services
from tests.support.engine import answered, claim, claim_one, due, due_one, expire, reread, shift_due, statements, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def test_interruptions_must_be_in_a_row_to_end_in_review() -> None:
    """Promise 4."""
    delivery = due_one(retry_policy={"delays": [0, 0, 0, 0]})
    for _ in range(3):
        claim_one(delivery)
        expire(delivery)
        outcomes.record([answered(claim_one(delivery), 500)])
        expire(delivery)
    stored = reread(delivery)
    assert (stored.status, stored.orphaned_attempts, stored.tries) == (Delivery.Status.RETRYING, 0, 3)
    assert Attempt.objects.filter(result=Attempt.Result.INTERRUPTED).count() == 3


def test_an_interruption_costs_none_of_the_policys_attempts() -> None:
    """Promise 4."""
    delivery = due_one(retry_policy={"delays": []})
    claim_one(delivery)
    expire(delivery)
    row = claim_one(delivery)
    assert reread(delivery).status == Delivery.Status.SENDING
    outcomes.record([answered(row, 500)])
    assert reread(delivery).status == Delivery.Status.DEAD


def test_just_after_an_outage_claims_that_ran_out_are_left_to_whoever_holds_their_outcomes(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Every worker waited it out: the one that is first must not send again what the others are about to record."""
    monkeypatch.setattr(orphans, "AFTER_OUTAGE", 60.0)
    webhook = make_webhook(max_in_flight=2)
    widen(webhook)
    [first, second] = due(webhook, 2)
    held = claim(webhook, limit=1).rows
    expire(first)
    outages.note()
    batch = claim(webhook)
    assert [row.delivery_id for row in batch.rows] == [second.pk]
    assert not batch.full, "asked again at once it would find the same"
    assert not Attempt.objects.exists()
    outcomes.record([answered(row) for row in held])
    assert (reread(first).status, reread(first).attempt_count) == (Delivery.Status.DELIVERED, 1)

    expire(second)
    monkeypatch.setattr(orphans, "AFTER_OUTAGE", 0.0)
    assert [row.delivery_id for row in claim(webhook).rows] == [second.pk]
    assert Attempt.objects.filter(result="interrupted").count() == 1


def test_the_number_of_interruptions_allowed_is_a_setting(settings) -> None:  # type: ignore[no-untyped-def]
    settings.WEBHOOKS_ORPHANED_ATTEMPTS_MAX = 1
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    assert claim(delivery.webhook).rows == []
    stored = reread(delivery)
    assert (stored.reason_code, stored.reason_values) == (ReasonCode.WORKER_DIED, {"times": 1})


def test_one_that_wore_out_its_workers_can_be_replayed_and_starts_from_nothing() -> None:
    delivery = due_one()
    for _ in range(3):
        claim_one(delivery)
        expire(delivery)
    claim(delivery.webhook)
    manual_actions.replay(delivery=reread(delivery), by="test")
    assert (reread(delivery).orphaned_attempts, reread(delivery).tries) == (0, 0)
    shift_due(delivery, -1)
    row = claim_one(delivery)
    assert row.attempt == 4  # the log's numbers go on
    assert DeadLetter.objects.get().resolution == "replayed"


def test_innocents_claimed_with_a_poison_payload_go_out_and_are_not_reviewed_with_it() -> None:
    """Promise 4: only rows that were in flight together share an interruption."""
    webhook = make_webhook()
    widen(webhook)
    poison, innocent = due(webhook, 2)
    claim(webhook)
    expire(poison, innocent)
    rows = {row.delivery_id: row for row in claim(webhook).rows}
    assert {row.orphaned_attempts for row in rows.values()} == {1}
    outcomes.record([answered(rows[innocent.pk])])
    expire(poison)
    claim(webhook)
    expire(poison)
    claim(webhook)
    assert reread(innocent).status == Delivery.Status.DELIVERED
    assert reread(poison).status == Delivery.Status.DEAD


def test_many_interruptions_take_a_few_statements_and_are_counted() -> None:
    webhook = make_webhook(max_in_flight=30)
    widen(webhook)
    deliveries = due(webhook, 30)
    claim(webhook)
    expire(*deliveries)
    with statements() as seen:
        batch = claim(webhook)
    assert len(batch.rows) == 30
    assert len(seen) <= 7, "a claim, the taking back with its log and counters, and another claim"
    assert sum(cell.count for cell in Counter.objects.filter(result="interrupted")) == 30
    assert Attempt.objects.filter(result=Attempt.Result.INTERRUPTED).count() == 30


def test_an_attempt_under_way_when_a_late_success_closes_the_delivery_is_in_the_log() -> None:
    """Promise 4: never silently twice, even if the second worker dies before it can record."""
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    again = claim_one(delivery)  # logs attempt 1 as interrupted, sends attempt 2

    outcomes.record([answered(late, 200)])

    stored = reread(delivery)
    assert (stored.status, stored.claim_token, stored.attempt_count) == (Delivery.Status.DELIVERED, None, 2)
    log = list(Attempt.objects.order_by("id").values_list("number", "result", "decision_code"))
    assert log == [
        (1, "delivered", ReasonCode.DELIVERED_LATE),
        (2, "interrupted", ReasonCode.DELIVERED_EARLIER),
    ]
    outcomes.record([answered(again, 500)])
    assert reread(delivery).status == Delivery.Status.DELIVERED
    assert reread(delivery).attempt_count == 2
    assert Attempt.objects.filter(number=2, result="failed").count() == 1


@pytest.mark.parametrize("change", ["disable", "delete_webhook"])
def test_what_may_have_been_sent_is_in_the_log_when_its_webhook_is_switched_off(change: str) -> None:
    """Promise 4: nobody claims the row again, so whoever closes it says that its worker died."""
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    getattr(services, change)(webhook=delivery.webhook)

    stored = reread(delivery)
    [attempt] = Attempt.objects.all()
    assert (stored.due_at, stored.claim_token, stored.attempt_count) == (None, None, 1)
    assert (attempt.number, attempt.result) == (1, Attempt.Result.INTERRUPTED)
    assert (attempt.decision_code, attempt.decision_values) == (stored.reason_code, stored.reason_values)
    assert stored.reason_code in {ReasonCode.WEBHOOK_DISABLED, ReasonCode.WEBHOOK_DELETED}
    outcomes.record([answered(late, 200)])
    assert reread(delivery).attempt_count == 1


def test_what_may_have_been_sent_is_in_the_log_when_its_event_is_expunged() -> None:
    """Promise 4."""
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    expunge(delivery.event, by="test")
    assert (reread(delivery).status, reread(delivery).attempt_count) == (Delivery.Status.CANCELLED, 1)
    assert Attempt.objects.get().result == Attempt.Result.INTERRUPTED
