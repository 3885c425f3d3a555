"""Counters equal rows: whatever ends a delivery unsent, or an attempt unanswered, is counted."""

from __future__ import annotations

import itertools

import pytest
from django.db.models import Sum

from deliveries.maintenance import expunging
from deliveries.models import Attempt, Counter, Delivery, HourCounter
from deliveries.recording import outcomes
from deliveries.worker import scheduler
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, due, expire, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)


def check() -> None:
    """Compare the counters with the rows; nothing is replayed or purged here."""
    rows = {
        "skipped": Delivery.objects.filter(status="skipped").count(),
        "interrupted": Attempt.objects.filter(result="interrupted").count(),
        "delivered": Attempt.objects.filter(result="delivered").count(),
        "failed or dead": Attempt.objects.filter(result="failed").count(),
    }
    for cells in (Counter, HourCounter):
        counted = dict(cells.objects.values_list("result").annotate(Sum("count")).order_by())
        counted["failed or dead"] = counted.get("failed", 0) + counted.get("dead", 0)
        assert {name: counted.get(name, 0) for name in rows} == rows


def in_flight(webhook: Webhook) -> list[Delivery]:
    """Return six deliveries: three are being sent."""
    found = due(webhook, 6)
    widen(webhook, window=3)
    claim(webhook)
    return found


def test_what_a_410_closes_is_counted() -> None:
    webhook = make_webhook()
    due(webhook, 6)
    widen(webhook, window=3)
    [first, second, _third] = claim(webhook).rows
    expire(*Delivery.objects.filter(pk=second.delivery_id))
    outcomes.record([answered(first, 410)])
    assert Delivery.objects.filter(status="skipped").count() == 4
    check()


@pytest.mark.parametrize("what", ["disable", "delete_webhook"])
def test_what_people_close_is_counted_with_the_claims_that_ran_out(what: str) -> None:
    webhook = make_webhook()
    found = in_flight(webhook)
    expire(*Delivery.objects.filter(status="sending"))
    getattr(services, what)(webhook=webhook)
    assert not Delivery.objects.filter(due_at__isnull=False).exists()
    assert Attempt.objects.count() == 3
    assert len(found) == 6
    check()


def test_what_a_sweep_closes_later_is_counted() -> None:
    webhook = make_webhook()
    in_flight(webhook)
    services.disable(webhook=webhook)
    expire(*Delivery.objects.filter(status="sending"))
    scheduler.sweep()
    assert Delivery.objects.filter(status="skipped").count() == 6
    check()


def test_the_attempt_under_way_that_a_late_success_overtakes_is_counted() -> None:
    webhook = make_webhook()
    [delivery] = due(webhook)
    [late] = claim(webhook).rows
    expire(delivery)
    claim(webhook)
    outcomes.record([answered(late)])
    assert Attempt.objects.filter(result="interrupted").count() == 1
    check()


@pytest.mark.parametrize("answers", list(itertools.product([200, 410, 500, None], repeat=2)), ids=str)
@pytest.mark.parametrize("together", [False, True])
def test_an_attempt_whose_worker_stood_still_has_one_line_and_is_counted_once(
    answers: tuple[int | None, int | None], together: bool
) -> None:
    """Frozen for longer than its claim; the delivery was claimed anew and both answers come, in either order."""
    webhook = make_webhook()
    [delivery] = due(webhook)
    [late] = claim(webhook).rows
    expire(delivery)
    [present] = claim(webhook).rows
    sent = [answered(row, status) for row, status in zip((present, late), answers, strict=True)]
    for chunk in [sent] if together else [[each] for each in sent]:
        outcomes.record(chunk)
    assert sorted(Attempt.objects.values_list("number", flat=True)) == [1, 2]
    assert not Attempt.objects.filter(result="interrupted").exists()
    check()


def test_a_late_outcome_takes_the_place_of_the_line_that_called_it_interrupted() -> None:
    """Whoever was told of that line, by its public id, finds the outcome there."""
    webhook = make_webhook()
    [delivery] = due(webhook)
    [late] = claim(webhook).rows
    expire(delivery)
    claim(webhook)
    before = Attempt.objects.get(result="interrupted")
    outcomes.record([answered(late, 500)])
    after = Attempt.objects.get(number=1)
    assert (after.pk, after.public_id, after.result, after.status_code) == (before.pk, before.public_id, "failed", 500)


def test_what_an_expunge_ends_is_counted() -> None:
    webhook = make_webhook()
    [delivery] = due(webhook)
    claim(webhook)
    expire(delivery)
    expunging.expunge(delivery.event, by="Ann")
    check()
