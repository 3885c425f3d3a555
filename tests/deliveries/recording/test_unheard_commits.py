"""A chunk has one commit, or a second for late outcomes: whichever goes unheard, each outcome is written once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import Sum

from deliveries.models import Attempt, Delivery
from deliveries.models.webhook_states import Counter, WebhookState
from deliveries.recording import late_outcomes, outcomes
from deliveries.sending.sender import Sent
from tests.support.engine import answered, claim_one, due_one, expire, reread

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = {
    "in force": (False, 200),
    "in force, to be retried": (False, 500),
    "late success": (True, 200),
    "late failure": (True, 500),
}


def _sent(kind: str) -> tuple[Delivery, Sent]:
    """Return a delivery and an outcome of it; a late one's claim was taken over by another worker."""
    is_late, status = KINDS[kind]
    delivery = due_one(retry_policy={"delays": [3600]})
    sent = answered(claim_one(delivery), status)
    if is_late:
        expire(delivery)
        claim_one(delivery)
    return delivery, sent


@pytest.mark.parametrize("unheard", ["first", "second"])
@pytest.mark.parametrize("kinds", [*itertools.permutations(KINDS, 2), tuple(KINDS), tuple(reversed(KINDS))])
def test_each_outcome_is_written_once_whichever_commit_goes_unheard(
    monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...], unheard: str
) -> None:
    """Promise 9."""
    made = {kind: _sent(kind) for kind in kinds}
    chunk = [sent for _delivery, sent in made.values()]
    before = {kind: reread(delivery) for kind, (delivery, _sent) in made.items()}
    place, name = (outcomes, "fetch_in_turn") if unheard == "first" else (late_outcomes, "write")
    real, left = getattr(place, name), iter([True])

    def unheard_once(*arguments: Any) -> Any:
        done = real(*arguments)
        if next(left, False):
            raise OperationalError("server closed the connection unexpectedly")
        return done

    monkeypatch.setattr(place, name, unheard_once)
    if unheard == "first" or any(KINDS[kind][0] for kind in kinds):
        with pytest.raises(OperationalError):
            outcomes.record(chunk)
    outcomes.record(chunk, again=True)
    outcomes.record(chunk, again=True)

    assert Attempt.objects.exclude(result="interrupted").count() == len(kinds)
    for kind, (delivery, sent) in made.items():
        is_late, status = KINDS[kind]
        now = reread(delivery)
        if status == 200:
            assert now.status == "delivered"
        else:
            assert now.status == ("sending" if is_late else "retrying")
        assert now.tries == before[kind].tries + (not is_late)
        assert delivery.attempts.filter(number=sent.row.attempt).exclude(result="interrupted").count() == 1
    assert _counted() == [1] * len(kinds)
    assert WebhookState.objects.filter(failures__gt=1).count() == 0


def _counted() -> list[int]:
    """Return how many attempts the counters have of each webhook."""
    rows = Counter.objects.filter(result__in=["delivered", "failed", "dead"]).values("webhook_id")
    return [row["n"] for row in rows.annotate(n=Sum("count")).order_by("webhook_id")]
