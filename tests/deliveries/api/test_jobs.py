"""Bulk requests with progress, and the feed of what hasn't arrived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import DeadLetter, Delivery, Job
from deliveries.review import bulk_jobs, job_turns
from tests.support.api import Client

QUEUE = "/api/v1/dead-letters"


@pytest.fixture
def dead(api: Client, webhook: dict[str, Any]) -> list[Delivery]:
    """Seven dead deliveries, the oldest first."""
    events = [{"event": "order.created", "data": {"n": n}} for n in range(7)]
    assert api.post("/api/v1/events/batch", {"events": events}).status_code == 201
    Delivery.objects.update(status="dead", due_at=None, closed_at=timezone.now())
    found = list(Delivery.objects.order_by("id"))
    DeadLetter.objects.bulk_create(
        DeadLetter(delivery=one, merchant_id=one.merchant_id, webhook_id=one.webhook_id, reason_code="final_status")
        for one in found
    )
    return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that a worker was told of; nobody carries them out."""
    found: list[int] = []
    monkeypatch.setattr(job_turns, "send", lambda pk, *_: found.append(pk))
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 3)
    monkeypatch.setattr(bulk_jobs, "STEP", 2)
    return found


def test_a_small_request_is_done_when_it_is_answered(api: Client, dead: list[Delivery]) -> None:
    answer = api.post(f"{QUEUE}/replay", {"all": True, "note": "Fixed."})

    assert answer.status_code == 200
    job = answer.json()["job"]
    assert (job["status"], job["total"], job["done"], job["note"]) == ("done", 7, 7, "Fixed.")
    assert api.get(f"/api/v1/jobs/{job['id']}").json() == job
    assert api.get("/api/v1/jobs").json()["results"] == [job]
    assert set(DeadLetter.objects.values_list("resolution", "note")) == {("replayed", "Fixed.")}


def test_a_large_request_is_a_job_that_a_worker_finishes(
    api: Client, dead: list[Delivery], told: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(f"{QUEUE}/discard", {"event": "order.created"})

    assert answer.status_code == 202
    assert (answer.json()["count"], answer.json()["job"]["status"]) == (7, "queued")
    job = Job.objects.get()
    assert told == [job.pk]
    bulk_jobs.run(job.pk)
    shown = api.get(f"/api/v1/jobs/{job.public_id}").json()
    assert (shown["status"], shown["done"], shown["total"]) == ("done", 7, 7)
    assert Delivery.objects.filter(status="discarded").count() == 7


def test_a_job_goes_on_where_it_broke_off_and_is_carried_out_by_one(
    api: Client, dead: list[Delivery], told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.objects.get(public_id=api.post(f"{QUEUE}/replay", {"all": True}).json()["job"]["id"])
    Job.objects.update(status="running")
    bulk_jobs._step(job)
    assert (Job.objects.get().done, Job.objects.get().position > 0) == (2, True)

    bulk_jobs.run(job.pk)
    assert Job.objects.get().done == 2, "somebody is at it"
    Job.objects.update(updated_at=timezone.now() - timedelta(minutes=2))
    assert api.get(f"/api/v1/jobs/{job.public_id}").json()["done"] == 2
    assert told[-1] == job.pk
    bulk_jobs.run(job.pk)

    assert (Job.objects.get().status, Job.objects.get().done) == ("done", 7)
    assert list(Delivery.objects.values_list("status", flat=True)) == ["retrying"] * 7


def test_what_dies_after_the_request_is_not_selected(api: Client, dead: list[Delivery], told: list[int]) -> None:
    job = Job.objects.get(public_id=api.post(f"{QUEUE}/replay", {"all": True}).json()["job"]["id"])
    DeadLetter.objects.filter(delivery=dead[0]).update(resolved_at=timezone.now())
    DeadLetter.objects.create(
        delivery=dead[0],
        merchant_id=dead[0].merchant_id,
        webhook_id=dead[0].webhook_id,
        reason_code="final_status",
    )

    bulk_jobs.run(job.pk)

    assert Job.objects.get().done == 6
    assert Delivery.objects.get(pk=dead[0].pk).status == "dead"


def test_a_job_that_breaks_says_so(
    api: Client, dead: list[Delivery], told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.objects.get(public_id=api.post(f"{QUEUE}/replay", {"all": True}).json()["job"]["id"])

    def broken(_: Job) -> bool:
        raise RuntimeError("disk full")

    monkeypatch.setattr(bulk_jobs, "_step", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        bulk_jobs.run(job.pk)

    shown = api.get(f"/api/v1/jobs/{job.public_id}").json()
    assert (shown["status"], bool(shown["error"]), bool(shown["finished_at"])) == ("failed", True, True)


def test_without_a_broker_the_request_is_answered_all_the_same(
    api: Client, dead: list[Delivery], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 3)
    monkeypatch.setattr(bulk_jobs.current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    with django_capture_on_commit_callbacks(execute=True):
        assert api.post(f"{QUEUE}/replay", {"all": True}).status_code == 202
    assert Job.objects.get().status == "queued"


def test_jobs_of_another_merchant_are_not_there(api: Client, stranger: Client, dead: list[Delivery]) -> None:
    job = api.post(f"{QUEUE}/replay", {"all": True}).json()["job"]["id"]

    assert stranger.get(f"/api/v1/jobs/{job}").status_code == 404
    assert stranger.get("/api/v1/jobs").json()["results"] == []
    assert stranger.get("/api/v1/undelivered").json()["results"] == []


def test_the_feed_holds_what_has_not_arrived_oldest_first_with_its_data(
    api: Client, dead: list[Delivery], webhook: dict[str, Any]
) -> None:
    api.post("/api/v1/events", {"event": "order.paid", "data": {"n": 8}})
    Delivery.objects.filter(pk=dead[1].pk).update(status="delivered")
    DeadLetter.objects.filter(delivery=dead[1]).delete()

    first = api.get("/api/v1/undelivered?limit=4").json()
    second = api.get(first["next"]).json()

    assert [row["data"]["n"] for row in first["results"] + second["results"]] == [0, 2, 3, 4, 5, 6, 8]
    assert second["next"] is None
    paid = api.get("/api/v1/undelivered?event=order.paid").json()["results"]
    assert [row["status"] for row in paid] == ["pending"]
