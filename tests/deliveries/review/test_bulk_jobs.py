"""Jobs: how much of one a request carries out itself, and steps that happen once, wherever a worker dies."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Delivery, Job
from deliveries.recording import outcomes
from deliveries.review import bulk_jobs, job_turns, search
from subscriptions.models import Webhook
from tests.support.cut_connections import cut_ours
from tests.support.engine import answered, claim, due, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def webhook() -> Webhook:
    return make_webhook()


@pytest.fixture
def delivered(webhook: Webhook) -> list[Delivery]:
    """Seven deliveries that arrived."""
    found = due(webhook, 7)
    send(webhook)
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 3)
    monkeypatch.setattr(bulk_jobs, "STEP", 2)
    monkeypatch.setattr(job_turns, "send", lambda *_: None)  # nobody carries the jobs out but the tests


def send(webhook: Webhook) -> list[int]:
    widen(webhook)
    rows = claim(webhook).rows
    if rows:
        outcomes.record([answered(row) for row in rows])
    return [row.delivery_id for row in rows]


def start(webhook: Webhook, **chosen: object) -> Job:
    return bulk_jobs.start(webhook.merchant, kind="replay", source="deliveries", chosen=chosen, by="anna", note="")


def test_a_request_does_not_walk_many_rows_of_which_few_can_be_changed(
    webhook: Webhook, delivered: list[Delivery]
) -> None:
    waiting = due(webhook, 4)

    job = start(webhook, ids=[one.public_id for one in (delivered[0], *waiting)])

    assert (job.total, job.status) == (1, "queued"), "a worker walks the rows"
    bulk_jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.done, job.status) == (1, "done")


def test_a_request_that_can_change_nothing_is_done_without_a_walk(webhook: Webhook, delivered: list[Delivery]) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(is_enabled=False)

    job = start(webhook, status="delivered")

    assert (job.total, job.done, job.status, job.position) == (0, 0, "done", 0)


def test_a_job_gives_its_thread_up_after_a_slice_and_goes_on_at_its_next_turn(
    webhook: Webhook, delivered: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, str, float]] = []
    monkeypatch.setattr(bulk_jobs, "SLICE", 0.0)
    monkeypatch.setattr(job_turns, "send", lambda *message: told.append(message))
    job = start(webhook, status="delivered")
    states = []
    while told:
        pk, turn, _ = told.pop()
        bulk_jobs.run_job.apply(args=(pk,), task_id=turn, throw=True)
        job.refresh_from_db()
        states.append((job.status, job.done))
    assert states == [("queued", 2), ("queued", 4), ("queued", 6), ("done", 7)]
    assert set(Delivery.objects.values_list("replays", flat=True)) == {1}


def test_a_job_that_was_stopped_between_two_slices_stays_stopped(
    webhook: Webhook, delivered: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_jobs, "SLICE", 0.0)
    job = start(webhook, status="delivered")
    bulk_jobs.run(job.pk)
    Job.objects.filter(pk=job.pk).update(status="stopped")
    bulk_jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done) == ("stopped", 2)


def test_a_worker_that_dies_between_a_step_and_its_record_replays_nothing_twice(
    webhook: Webhook, delivered: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(webhook, ids=[one.public_id for one in delivered])
    Job.objects.update(status="running")

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(bulk_jobs, "_note_progress", killed)
        with pytest.raises(Killed):
            bulk_jobs._step(job)
    send(webhook)
    bulk_jobs._step(Job.objects.select_related("merchant").get())
    send(webhook)

    assert set(Delivery.objects.values_list("pk", "replays")) == {
        (one.pk, int(place < 2)) for place, one in enumerate(delivered)
    }


def test_of_two_workers_at_one_job_the_later_stops(webhook: Webhook, delivered: list[Delivery]) -> None:
    job = start(webhook, ids=[one.public_id for one in delivered])
    Job.objects.update(status="running")
    late = Job.objects.select_related("merchant").get()
    bulk_jobs._step(job)
    send(webhook)

    with pytest.raises(bulk_jobs.Overtaken):
        bulk_jobs._step(late)

    assert Job.objects.get().done == 2
    assert not Delivery.objects.filter(replays__gt=1).exists()


@pytest.mark.parametrize("when", ["before the commit", "at the commit", "at the start of a step"])
def test_a_job_whose_connection_is_cut_is_taken_up_like_one_whose_worker_died(
    webhook: Webhook, delivered: list[Delivery], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    job = start(webhook, ids=[one.public_id for one in delivered])
    note, step, cuts = bulk_jobs._note_progress, bulk_jobs._step, [1]

    def cut() -> None:
        if cuts and cuts.pop():
            cut_ours()

    def noted(*given: Any) -> None:
        if when == "before the commit":
            cut()
        note(*given)
        if when == "at the commit":
            cut()

    def stepped(given: Job) -> bool:
        if when == "at the start of a step":
            cut()
        return step(given)

    monkeypatch.setattr(bulk_jobs, "_note_progress", noted)
    monkeypatch.setattr(bulk_jobs, "_step", stepped)
    bulk_jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("queued", "")

    bulk_jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done) == ("done", 7)
    assert set(Delivery.objects.values_list("replays", flat=True)) == {1}


def test_a_job_by_a_search_reads_payloads_once(
    webhook: Webhook, delivered: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []
    found = search.of_merchant

    def searched(*given: Any, **options: Any) -> search.Found:
        searches.append(given[1])
        return found(*given, **options)

    monkeypatch.setattr(search, "of_merchant", searched)
    monkeypatch.setattr(bulk_jobs, "SLICE", 0.0)
    job = start(webhook, search="n", status="delivered")
    for _ in range(9):
        bulk_jobs.run(job.pk)

    job.refresh_from_db()
    assert (job.total, job.status, job.done, searches) == (7, "done", 7, ["n"])
