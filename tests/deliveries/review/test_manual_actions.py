from __future__ import annotations

from typing import Any

import pytest

from deliveries.maintenance import expunging
from deliveries.models import DeadLetter, Delivery
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from subscriptions import services
from tests.support.engine import answered, claim_one, due, due_one, reread, shift_due, statements
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db

S = Delivery.Status
CLOSED = [S.DEAD, S.DELIVERED, S.DISCARDED, S.SKIPPED, S.CANCELLED]
OPEN = [S.PENDING, S.SENDING, S.RETRYING]


def _in_state(status: str) -> Delivery:
    delivery = due_one()
    changes: dict[str, Any] = {"status": status, "tries": 4, "reason_code": "before"}
    if status in CLOSED:
        changes |= {"due_at": None, "closed_at": delivery.created_at}
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
    return reread(delivery)


def _dead(webhook: Any = None) -> Delivery:
    """Return a delivery whose only attempt failed."""
    delivery = due_one(webhook or make_webhook(retry_policy={"delays": []}))
    outcomes.record([answered(claim_one(delivery), 500)])
    return reread(delivery)


@pytest.mark.parametrize("status", CLOSED)
def test_every_closed_delivery_can_be_replayed_as_a_new_chain_under_the_same_id(status: str) -> None:
    """Promise 4: one message id for all attempts."""
    delivery = _in_state(status)
    event_id = delivery.event.public_id
    replayed = manual_actions.replay(delivery=delivery, by="Ann")
    assert (replayed.status, replayed.tries, replayed.replays) == (S.RETRYING, 0, 1)
    assert (replayed.reason_code, replayed.reason_values) == ("", None)
    assert replayed.due_at is not None
    assert replayed.closed_at is None
    shift_due(delivery, -1)
    assert claim_one(delivery).event_id == event_id


@pytest.mark.parametrize("status", OPEN)
def test_what_is_open_cannot_be_replayed(status: str) -> None:
    delivery = _in_state(status)
    with pytest.raises(manual_actions.StateConflict) as caught:
        manual_actions.replay(delivery=delivery, by="Ann")
    assert S(status).label.lower() in str(caught.value)
    assert reread(delivery).replays == 0


def test_a_replay_resolves_the_dead_letter_and_a_second_death_opens_another() -> None:
    delivery = _dead()
    manual_actions.replay(delivery=delivery, by="Ann", note="fixed the endpoint")
    dead_letter = DeadLetter.objects.get()
    assert (dead_letter.resolution, dead_letter.resolved_by, dead_letter.note) == (
        "replayed",
        "Ann",
        "fixed the endpoint",
    )
    assert dead_letter.resolved_at is not None
    shift_due(delivery, -1)
    outcomes.record([answered(claim_one(delivery), 500)])
    assert DeadLetter.objects.filter(resolved_at=None).count() == 1
    assert DeadLetter.objects.count() == 2


def test_the_first_of_two_people_wins() -> None:
    """The update is conditional: no lock is held between the page and the button."""
    delivery = _dead()
    theirs = reread(delivery)
    manual_actions.discard(delivery=delivery, by="Ann")
    with pytest.raises(manual_actions.StateConflict, match="discarded now"):
        manual_actions.discard(delivery=theirs, by="Bob")
    assert DeadLetter.objects.get().resolved_by == "Ann"


@pytest.mark.parametrize("change", ["disable", "delete"])
def test_nothing_is_replayed_to_a_webhook_that_is_off(change: str) -> None:
    delivery = _dead()
    if change == "disable":
        services.disable(webhook=delivery.webhook)
    else:
        services.delete_webhook(webhook=delivery.webhook)
    with pytest.raises(manual_actions.StateConflict):
        manual_actions.replay(delivery=reread(delivery), by="Ann")
    assert manual_actions.replay_all(Delivery.objects.all(), by="Ann") == 0
    assert reread(delivery).status == (S.DEAD if change == "disable" else S.DISCARDED)


def test_discarding_keeps_the_delivery_with_who_and_why() -> None:
    """Promise 9."""
    discarded = manual_actions.discard(delivery=_dead(), by="Ann", note="a test order")
    assert (discarded.status, discarded.reason_code) == (S.DISCARDED, ReasonCode.DISCARDED)
    assert discarded.reason_values == {"by": "Ann", "note": "a test order"}
    assert DeadLetter.objects.get().resolution == "discarded"


@pytest.mark.parametrize("status", [state for state in S if state != S.DEAD])
def test_only_the_dead_are_discarded(status: str) -> None:
    delivery = _in_state(status)
    with pytest.raises(manual_actions.StateConflict):
        manual_actions.discard(delivery=delivery, by="Ann")
    assert reread(delivery).status == status


def test_a_retrying_delivery_can_be_tried_at_once_and_keeps_its_chain() -> None:
    delivery = due_one(dialect="alva")
    outcomes.record([answered(claim_one(delivery), 500)])
    manual_actions.retry(delivery=reread(delivery), by="Ann")
    shift_due(delivery, -1)
    row = claim_one(delivery)
    assert (row.tries, row.attempt) == (1, 2)


def test_what_is_being_sent_cannot_be_retried() -> None:
    delivery = _in_state(S.SENDING)
    with pytest.raises(manual_actions.StateConflict, match="sending"):
        manual_actions.retry(delivery=delivery, by="Ann")


def test_a_closed_delivery_retried_is_replayed() -> None:
    assert manual_actions.retry(delivery=_dead(), by="Ann").replays == 1


@pytest.mark.parametrize("status", [S.PENDING, S.RETRYING])
def test_what_waits_can_be_cancelled(status: str) -> None:
    cancelled = manual_actions.cancel(delivery=_in_state(status), by="Ann")
    assert (cancelled.status, cancelled.due_at) == (S.CANCELLED, None)
    assert (cancelled.reason_code, cancelled.reason_values) == (ReasonCode.CANCELLED, {"by": "Ann"})
    assert cancelled.closed_at is not None


@pytest.mark.parametrize("status", [S.SENDING, *CLOSED])
def test_what_is_sent_or_closed_cannot_be_cancelled(status: str) -> None:
    delivery = _in_state(status)
    with pytest.raises(manual_actions.StateConflict):
        manual_actions.cancel(delivery=delivery, by="Ann")
    assert reread(delivery).status == status


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["replay", "retry"])
def test_replay_and_retry_wake_the_webhook(empty_redis: Any, act: str) -> None:
    delivery = _in_state(S.DEAD if act == "replay" else S.RETRYING)
    empty_redis.flushdb()
    getattr(manual_actions, act)(delivery=delivery, by="Ann")
    assert empty_redis.smembers("mw:ready") == {str(delivery.webhook_id).encode()}


# --- by the thousand --------------------------------------------------------------------------------------------------


def _many_dead(count: int) -> list[int]:
    webhook = make_webhook()
    keys = [delivery.pk for delivery in due(webhook, count)]
    Delivery.objects.filter(pk__in=keys).update(status=S.DEAD, due_at=None)
    DeadLetter.objects.bulk_create(
        DeadLetter(delivery_id=pk, merchant=webhook.merchant, webhook=webhook, reason_code="dead") for pk in keys
    )
    return keys


def test_a_dry_run_counts_and_changes_nothing() -> None:
    _many_dead(3)
    due_one()
    assert manual_actions.replay_all(Delivery.objects.all(), by="Ann", dry_run=True) == 3
    assert manual_actions.discard_all(Delivery.objects.all(), by="Ann", dry_run=True) == 3
    assert Delivery.objects.filter(status=S.DEAD).count() == 3


def test_a_bulk_goes_in_chunks_and_reaches_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual_actions, "BULK_CHUNK", 4)
    keys = _many_dead(10)
    with statements() as seen:
        assert manual_actions.replay_all(Delivery.objects.all(), by="Ann") == 10
    assert len(seen) <= 3 * 5 + 1
    rows = Delivery.objects.filter(pk__in=keys)
    assert set(rows.values_list("status", "replays")) == {(S.RETRYING, 1)}
    assert not DeadLetter.objects.filter(resolved_at=None).exists()


def test_a_bulk_over_dead_letters_takes_only_those_still_open() -> None:
    first, *others = _many_dead(3)
    DeadLetter.objects.filter(delivery_id=first).update(resolved_at=reread(Delivery(pk=first)).created_at)
    assert manual_actions.discard_all(DeadLetter.objects.all(), by="Ann", note="spring cleaning") == 2
    assert set(Delivery.objects.filter(pk__in=others).values_list("status", flat=True)) == {S.DISCARDED}
    assert Delivery.objects.get(pk=first).status == S.DEAD


def test_a_bulk_over_filtered_dead_letters_touches_no_others() -> None:
    """Promise 8."""
    mine, theirs = _dead(), _dead()
    assert manual_actions.replay_all(DeadLetter.objects.filter(merchant=mine.merchant), by="Ann") == 1
    assert reread(theirs).status == S.DEAD


def test_what_was_expunged_is_not_sent_again() -> None:
    """Promise 8 and 9: the payload is gone, its trace is not."""
    delivery = _in_state(S.DELIVERED)
    expunging.expunge(delivery.event, by="anna")
    delivery.event.refresh_from_db()
    with pytest.raises(manual_actions.StateConflict, match="expunged"):
        manual_actions.replay(delivery=reread(delivery), by="ben")
    assert manual_actions.replay_all(Delivery.objects.all(), by="ben") == 0
    assert reread(delivery).status == S.DELIVERED
