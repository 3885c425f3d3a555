"""How many bulk jobs a merchant may have open, however many are asked for at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from deliveries.models import DeadLetter, Job
from deliveries.review import bulk_jobs, job_turns, open_jobs
from subscriptions.models import Webhook
from tests.support.api import Client
from tests.support.at_once import Beside
from tests.support.delivery_log import close
from tests.support.desk import sign_in
from tests.support.engine import due
from tests.support.factories import make_api_key, make_member, make_user, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 24
REPLAY = "/api/v1/dead-letters/replay"


@pytest.fixture(autouse=True)
def for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job is a worker's, and there is none."""
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 1)
    monkeypatch.setattr(job_turns, "send", lambda *_: None)


@pytest.fixture
def webhook() -> Webhook:
    made = make_webhook()
    for row in due(made, 3):
        close(row, "dead")
    return made


def since(number: int) -> dict[str, str]:
    return {"since": f"2024-01-{number + 1:02}T00:00:00Z"}


def start(webhook: Webhook, number: int = 0, kind: str = "replay") -> Job:
    return bulk_jobs.start(
        webhook.merchant, kind=kind, source="dead-letters", chosen=since(number), by="anna", note="why"
    )


def answers_at_once(webhook: Webhook, chosen: list[dict[str, str]]) -> list[Any]:
    """Ask the API for a replay of each selection, all at the same moment; return the answers."""
    key = make_api_key(webhook.merchant).text
    ready = threading.Barrier(len(chosen))

    def ask(one: dict[str, str]) -> Any:
        client = Client(key)
        ready.wait(60)
        return client.post(REPLAY, one)

    return [beside.join() for beside in [Beside(lambda one=one: ask(one)) for one in chosen]]


def test_of_many_requests_at_once_as_many_begin_as_may_be_open(webhook: Webhook) -> None:
    answers = answers_at_once(webhook, [since(number) for number in range(AT_ONCE)])

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [202] * open_jobs.JOBS_OPEN_MAX + [429] * (AT_ONCE - open_jobs.JOBS_OPEN_MAX)
    assert Job.objects.filter(status__in=Job.OPEN).count() == open_jobs.JOBS_OPEN_MAX
    refused = next(answer for answer in answers if answer.status_code == 429)
    [error] = refused.json()["errors"]
    assert error["code"] == "too_many_jobs"
    assert refused["Retry-After"] == "5"
    assert all(job.public_id in error["detail"] for job in Job.objects.all())
    assert "POST /api/v1/jobs/{id}/stop" in error["detail"]


def test_of_the_same_request_many_times_at_once_one_begins(webhook: Webhook) -> None:
    answers = answers_at_once(webhook, [since(0)] * AT_ONCE)

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * (AT_ONCE - 1)
    job = Job.objects.get()
    [error] = next(answer for answer in answers if answer.status_code == 409).json()["errors"]
    assert error["code"] == "same_job"
    assert job.public_id in error["detail"]


def test_a_place_is_free_again_when_a_job_is_stopped(webhook: Webhook) -> None:
    client = Client(make_api_key(webhook.merchant).text)
    jobs = [start(webhook, number) for number in range(open_jobs.JOBS_OPEN_MAX)]
    assert client.post(REPLAY, since(20)).status_code == 429
    assert client.post(f"/api/v1/jobs/{jobs[0].public_id}/stop", {}).status_code == 200
    assert client.post(REPLAY, since(20)).status_code == 202


def test_what_another_merchant_has_open_is_none_of_ones_own(webhook: Webhook) -> None:
    for number in range(open_jobs.JOBS_OPEN_MAX):
        start(webhook, number)
    other = make_webhook()
    for row in due(other, 3):
        close(row, "dead")
    assert start(other).status == "queued"


def test_the_same_rows_may_be_replayed_by_one_and_discarded_by_another(webhook: Webhook) -> None:
    start(webhook, kind="replay")
    assert start(webhook, kind="discard").status == "queued"


def test_what_a_request_does_itself_needs_no_place(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(open_jobs.JOBS_OPEN_MAX):
        start(webhook, number)
    monkeypatch.setattr(bulk_jobs, "AT_ONCE_MAX", 200)
    assert start(webhook, 0).status == "done"


@pytest.fixture
def browser(webhook: Webhook) -> Browser:
    return sign_in(make_member(webhook.merchant))


@pytest.mark.parametrize(("others", "status"), [("many", 429), ("same", 409)])
def test_the_page_says_which_jobs_are_open_and_leads_to_them(
    webhook: Webhook, browser: Browser, others: str, status: int
) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"])
    if others == "many":
        jobs = [start(webhook, number) for number in range(open_jobs.JOBS_OPEN_MAX)]
    else:
        browser.post(page, {"all": "on"})
        jobs = list(Job.objects.all())
        assert len(jobs) == 1
    count = Job.objects.count()

    answer = browser.post(page, {"all": "on"})

    assert answer.status_code == status
    text = answer.content.decode()
    assert all(reverse("admin:webhooks_deliveries_job_change", args=[job.pk]) in text for job in jobs)
    assert "stop" in text
    assert Job.objects.count() == count
    assert not DeadLetter.objects.exclude(resolved_at=None).exists()


def test_of_several_merchants_those_begin_that_may(webhook: Webhook) -> None:
    for number in range(open_jobs.JOBS_OPEN_MAX):
        start(webhook, number)
    other = make_webhook()
    for row in due(other, 3):
        close(row, "dead")
    page = reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"])

    answer = sign_in(make_user(is_superuser=True)).post(page, {"all": "on"}, follow=True)

    assert Job.objects.filter(merchant=other.merchant).count() == 1
    assert Job.objects.filter(merchant=webhook.merchant).count() == open_jobs.JOBS_OPEN_MAX
    assert "the most a merchant may have" in answer.content.decode()
