"""Payloads taken out on request, and the trace that stays."""

from __future__ import annotations

import pytest
from django.utils import timezone

from deliveries.maintenance.expunging import EXPUNGED, expunge
from deliveries.models import Attempt, DeadLetter, Delivery, Event, ExpungedPayload
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from tests.support.aging import age, purge, settled
from tests.support.engine import answered, claim_one, due_one, expire, reread
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def test_expunging_empties_the_event_and_its_attempts_and_leaves_a_trace():
    delivery, other = settled(), settled()
    trace = expunge(delivery.event, by="ada", note="Art. 17")
    event = Event.objects.get(pk=delivery.event_id)
    attempt = Attempt.objects.get(delivery=delivery)
    assert (event.data, event.type) == (EXPUNGED, "order.created")
    assert (attempt.request_headers, attempt.response_headers, bytes(attempt.response_body)) == ("[]", "[]", b"")
    assert (trace.event_id, trace.by, trace.note, trace.attempts) == (event.public_id, "ada", "Art. 17", 1)
    assert trace.created_at <= timezone.now()
    assert Event.objects.get(pk=other.event_id).data != EXPUNGED
    assert bytes(Attempt.objects.get(delivery=other).response_body) == b"answer"


def test_expunging_cancels_what_was_still_to_be_sent_and_discards_what_waits_for_review():
    merchant = make_merchant()
    failing = make_webhook(merchant, retry_policy={"delays": []})
    waiting = make_webhook(merchant)
    dead = due_one(failing)
    outcomes.record([answered(claim_one(dead), 500)])
    trace = expunge(dead.event, by="ada")
    assert reread(dead).status == Delivery.Status.DISCARDED
    assert DeadLetter.objects.get().resolved_by == "ada"
    cancelled = Delivery.objects.get(webhook=waiting)
    assert (cancelled.status, cancelled.due_at) == (Delivery.Status.CANCELLED, None)
    assert (cancelled.reason_code, cancelled.reason_values) == (ReasonCode.EXPUNGED, {"by": "ada"})
    assert trace.cancelled == 1


def test_what_is_being_sent_right_now_is_not_expunged():
    delivery = due_one()
    claim_one(delivery)
    with pytest.raises(manual_actions.StateConflict, match="being sent right now"):
        expunge(delivery.event, by="ada")
    assert Event.objects.get().data != EXPUNGED
    assert not ExpungedPayload.objects.exists()


def test_a_delivery_whose_worker_died_can_be_expunged():
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    assert expunge(delivery.event, by="ada").cancelled == 1


def test_what_was_expunged_is_not_sent_again():
    delivery = settled()
    expunge(delivery.event, by="ada")
    with pytest.raises(manual_actions.StateConflict, match="expunged"):
        manual_actions.replay(delivery=reread(delivery), by="ada")
    assert manual_actions.replay_all(Delivery.objects.all(), by="ada") == 0
    assert reread(delivery).status == Delivery.Status.DELIVERED


def test_the_trace_outlives_the_event():
    delivery = settled()
    expunge(delivery.event, by="ada")
    age(delivery)
    purge()
    assert not Event.objects.exists()
    assert ExpungedPayload.objects.get().event_id == delivery.event.public_id
