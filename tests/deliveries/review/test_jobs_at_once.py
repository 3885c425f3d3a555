"""A person stops or cancels what a worker takes up at the same moment: one of the two happens, and both are told."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Delivery, Job
from deliveries.review import bulk_jobs, job_control, manual_actions
from tests.support.at_once import Beside
from tests.support.delivery_log import close
from tests.support.engine import claim, due, reread, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200


@pytest.mark.slow
def test_of_two_hundred_random_rounds_a_delivery_is_cancelled_or_claimed() -> None:
    """What a person cancels, retries or holds is not sent, and what is being sent is not theirs to change."""
    draw = random.Random(9)
    for _ in range(ROUNDS):
        hook = make_webhook()
        [row] = due(hook, 1)
        widen(hook)
        start, pauses = threading.Barrier(2), [draw.choice([0, 0, 0.001, 0.003]) for _ in range(2)]

        def cancel(row: Delivery = row, start: Any = start, pause: float = pauses[0]) -> bool:
            mine = reread(row)
            start.wait(60)
            threading.Event().wait(pause)
            try:
                manual_actions.cancel(delivery=mine, by="Ann")
            except manual_actions.StateConflict:
                return False
            return True

        def take(hook: Any = hook, start: Any = start, pause: float = pauses[1]) -> bool:
            start.wait(60)
            threading.Event().wait(pause)
            return bool(claim(hook).rows)

        besides = [Beside(cancel), Beside(take)]
        cancelled, taken = (beside.join() for beside in besides)
        assert not (cancelled and taken)
        assert reread(row).status == ("cancelled" if cancelled else "sending" if taken else "pending")
        Delivery.objects.filter(pk=row.pk).update(status="cancelled", due_at=None, claim_token=None)


@pytest.mark.slow
def test_of_two_hundred_random_rounds_a_job_is_stopped_or_goes_on_but_not_both() -> None:
    draw = random.Random(10)
    hook = make_webhook()
    for _ in range(ROUNDS):
        dead = [close(each, "dead") for each in due(hook, 3)]
        made = bulk_jobs.start(
            hook.merchant, kind="discard", source="dead-letters", chosen={"all": True}, by="Ann", note="", rate=1
        )
        Job.objects.filter(pk=made.pk).update(updated_at=timezone.now() - timedelta(minutes=2))
        start, pauses = threading.Barrier(2), [draw.choice([0, 0, 0.001, 0.003]) for _ in range(2)]

        def stop(made: Job = made, start: Any = start, pause: float = pauses[0]) -> bool:
            start.wait(60)
            threading.Event().wait(pause)
            return job_control.stop(made)

        def go_on(made: Job = made, start: Any = start, pause: float = pauses[1]) -> None:
            start.wait(60)
            threading.Event().wait(pause)
            bulk_jobs.run(made.pk)

        besides = [Beside(stop), Beside(go_on)]
        stopped = besides[0].join()
        besides[1].join()
        now = Job.objects.get(pk=made.pk)
        assert (now.status == "stopped") == stopped
        changed = Delivery.objects.filter(pk__in=[each.pk for each in dead], status="discarded").count()
        assert now.done == changed
        Job.objects.filter(pk=made.pk).update(status="stopped")
        Delivery.objects.filter(webhook=hook).update(status="discarded", due_at=None)
