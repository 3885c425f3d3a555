"""Turns at bulk jobs: one message a merchant, whatever it has open, and none that counts twice or is lost for good."""

from __future__ import annotations

import functools
import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from deliveries.models import Job
from deliveries.review import bulk_jobs, job_control, job_turns
from subscriptions.models import Webhook
from subscriptions.services.locks import lock_merchant
from tests.support.at_once import Beside
from tests.support.cut_connections import cut_ours
from tests.support.delivery_log import close
from tests.support.engine import due
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

Message = tuple[int, str, float]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages on their way, first in, first out; every job is a worker's, and a turn is one step of a row."""
    waiting: list[Message] = []
    monkeypatch.setattr(job_turns, "send", lambda *message: waiting.append(message))
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 1)
    monkeypatch.setattr(bulk_jobs, "STEP", 1)
    monkeypatch.setattr(bulk_jobs, "SLICE", 0.0)
    return waiting


@pytest.fixture
def webhook() -> Webhook:
    return with_dead(make_webhook())


def with_dead(webhook: Webhook, count: int = 3) -> Webhook:
    for row in due(webhook, count):
        close(row, "dead")
    return webhook


def start(webhook: Webhook, number: int = 0, **options: Any) -> Job:
    chosen = {"since": f"2024-01-{number + 1:02}T00:00:00Z"}
    return bulk_jobs.start(
        webhook.merchant, kind="discard", source="dead-letters", chosen=chosen, by="anna", note="why", **options
    )


def deliver(message: Message) -> None:
    bulk_jobs.run_job.apply(args=(message[0],), task_id=message[1], throw=True)


def statuses() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("status", flat=True))


def test_a_merchants_jobs_share_one_message_and_have_turns(webhook: Webhook, queue: list[Message]) -> None:
    jobs = [start(webhook, number).pk for number in range(4)]
    assert [pk for pk, _, _ in queue] == jobs[:1]

    served = []
    while queue and len(served) < 8:
        assert len(queue) == 1
        served.append(queue[0][0])
        deliver(queue.pop())

    assert served[:4] == jobs, "each has one turn before any has its second"
    assert statuses() == ["done"] * 4


def test_of_two_merchants_one_with_ten_jobs_and_one_with_one_each_has_every_other_turn(queue: list[Message]) -> None:
    many, one = with_dead(make_webhook(), 30), with_dead(make_webhook(), 5)
    for number in range(10):
        start(many, number)
    start(one)

    served: list[int] = []
    while one.merchant_id in list(Job.objects.filter(status__in=Job.OPEN).values_list("merchant", flat=True)):
        served.append(Job.objects.get(pk=queue[0][0]).merchant_id)
        deliver(queue.pop(0))

    counted = Counter(served)
    assert counted[one.merchant_id] in {5, 6}
    assert counted[many.merchant_id] <= counted[one.merchant_id] + 1


def test_a_message_counts_once_however_often_it_comes(webhook: Webhook, queue: list[Message]) -> None:
    start(webhook)
    [first] = queue
    queue.clear()
    for _ in range(3):
        deliver(first)

    assert Job.objects.get().done == 1
    assert len(queue) == 1


@pytest.mark.parametrize("stray", ["", "0", "None", "00000000-0000-0000-0000-000000000000"])
def test_a_message_that_nobody_called_for_begins_nothing(webhook: Webhook, queue: list[Message], stray: str) -> None:
    done, job = start(webhook, 1), start(webhook)
    while queue[-1][0] == done.pk:
        deliver(queue.pop())
    queue.clear()
    deliver((job.pk, stray or "none", 0))

    job.refresh_from_db()
    assert (job.done, queue) == (0, [])


@pytest.mark.parametrize("when", ["before its turn", "in its turn"])
def test_a_stopped_job_gives_its_turn_to_the_next(
    webhook: Webhook, queue: list[Message], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    stopped, follows = start(webhook), start(webhook, 1)
    step = bulk_jobs._step

    def stop_and_step(job: Job) -> bool:
        if job.pk == stopped.pk:
            job_control.stop(job)
        return step(job)

    if when == "before its turn":
        job_control.stop(stopped)
    else:
        monkeypatch.setattr(bulk_jobs, "_step", stop_and_step)
    deliver(queue.pop())

    assert [pk for pk, _, _ in queue] == [follows.pk]
    assert statuses() == ["stopped", "queued"]


def test_a_job_that_breaks_off_gives_its_turn_to_the_next(
    webhook: Webhook, queue: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, follows = start(webhook), start(webhook, 1)

    def step(job: Job) -> bool:
        raise RuntimeError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bulk_jobs, "_step", step)
        with pytest.raises(RuntimeError, match="disk full"):
            deliver(queue.pop())

    assert [pk for pk, _, _ in queue] == [follows.pk]
    assert Job.objects.get(pk=broken.pk).status == "failed"


def test_a_job_with_a_rate_waits_for_its_pace_while_another_works(webhook: Webhook, queue: list[Message]) -> None:
    paced, free = start(webhook, rate=1), start(webhook, 1)
    deliver(queue.pop())
    assert [(pk, countdown) for pk, _, countdown in queue] == [(free.pk, 0)]
    Job.objects.filter(pk=free.pk).update(status="stopped")
    deliver(queue.pop())

    [(pk, _, countdown)] = queue
    assert pk == paced.pk
    assert 0.3 < countdown <= 1


def test_a_lost_message_is_sent_again_under_its_id_and_both_together_count_once(
    webhook: Webhook, queue: list[Message]
) -> None:
    start(webhook)
    start(webhook, 1)
    assert job_turns.call_stalled(Job.objects.all()) == 0
    Job.objects.update(updated_at=timezone.now() - job_turns.STALLED_AFTER - timedelta(seconds=1))

    assert job_turns.call_stalled(Job.objects.all()) == 1
    assert len(queue) == 2
    assert queue[0][:2] == queue[1][:2]
    late = queue.pop(0)
    deliver(queue.pop(0))
    deliver(late)
    assert len(queue) == 1
    assert sum(Job.objects.values_list("done", flat=True)) == 1


def test_a_merchant_of_whose_jobs_one_is_at_work_is_not_stalled(webhook: Webhook, queue: list[Message]) -> None:
    start(webhook)
    waits = start(webhook, 1)
    Job.objects.filter(pk=waits.pk).update(updated_at=timezone.now() - timedelta(hours=1))

    assert job_turns.call_stalled(Job.objects.filter(pk=waits.pk)) == 0


def test_a_job_whose_worker_died_is_taken_up_with_its_turn(webhook: Webhook, queue: list[Message]) -> None:
    job, follows = start(webhook), start(webhook, 1)
    queue.clear()
    Job.objects.filter(pk=job.pk).update(status="running")
    Job.objects.update(updated_at=timezone.now() - timedelta(minutes=2))

    job_turns.call_stalled(Job.objects.all())
    deliver(queue.pop())

    job.refresh_from_db()
    assert (job.status, job.done) == ("queued", 1)
    assert [pk for pk, _, _ in queue] == [follows.pk]


def test_a_small_job_whose_connection_was_cut_in_its_request_is_a_workers(
    webhook: Webhook, queue: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = bulk_jobs._step

    def cut_and_step(job: Job) -> bool:
        cut_ours()
        return step(job)

    with monkeypatch.context() as patch:
        patch.setattr(bulk_jobs, "AT_ONCE_MAX", 100)
        patch.setattr(bulk_jobs, "_step", cut_and_step)
        job = start(webhook)
    assert (job.status, [pk for pk, _, _ in queue]) == ("queued", [job.pk])

    while queue:
        deliver(queue.pop())
    job.refresh_from_db()
    assert (job.status, job.done) == ("done", 3)


def test_a_job_whose_request_died_is_taken_up(webhook: Webhook, queue: list[Message]) -> None:
    job = start(webhook)
    queue.clear()
    old = timezone.now() - timedelta(minutes=2)
    Job.objects.filter(pk=job.pk).update(status="running", turn="", updated_at=old)

    assert job_turns.call_stalled(Job.objects.all()) == 1
    deliver(queue.pop())

    assert Job.objects.get().done == 1


@pytest.mark.parametrize("calls", ["for the first", "for the next", "for a lost one"])
def test_of_two_that_call_at_once_one_looks_after_the_other(webhook: Webhook, queue: list[Message], calls: str) -> None:
    job = start(webhook)
    queue.clear()
    Job.objects.update(updated_at=timezone.now() - timedelta(minutes=2))
    call = {
        "for the first": lambda: job_turns.call(job.merchant),
        "for the next": lambda: job_turns.call_next(job),
        "for a lost one": lambda: job_turns.call_stalled(Job.objects.all()),
    }[calls]
    with transaction.atomic():
        lock_merchant(job.merchant)
        beside = Beside(call)
        assert beside.waits
    beside.join()


@pytest.mark.parametrize("seed", range(8))
def test_jobs_that_begin_while_others_end_are_all_carried_out(
    webhook: Webhook, queue: list[Message], seed: int
) -> None:
    ready, draw = threading.Barrier(4), random.Random(seed)
    pauses = [draw.choice([0, 0.002, 0.005, 0.02]) for _ in range(3)]

    def begin(number: int) -> None:
        ready.wait(60)
        threading.Event().wait(pauses[number])
        start(webhook, number)

    besides = [Beside(functools.partial(begin, number)) for number in range(3)]
    ready.wait(60)
    while any(one.is_alive for one in besides) or queue:
        if queue:
            deliver(queue.pop(0))
    for one in besides:
        one.join()

    assert statuses() == ["done"] * 3
    assert queue == []
