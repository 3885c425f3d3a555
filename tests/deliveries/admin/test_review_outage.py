"""Clearing an outage: everything since a moment, narrowed, by a job that says what came of it and can be stopped."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deliveries.models import DeadLetter, Delivery, Job
from deliveries.review import bulk_jobs as core
from deliveries.review import job_turns
from tests.deliveries.admin.test_review_queue import QUEUE, make_dead_letters, run_bulk, statuses
from tests.support.desk import Shop, add_delivery, make_dead, sign_in
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def test_everything_since_a_moment_is_two_clicks_away(shop: Shop, browser: Client) -> None:
    old = make_dead_letters(shop, 1)[0]
    DeadLetter.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))
    link = browser.get(QUEUE).context["replay_since"]
    assert browser.get(link).context["count"] == 2
    address = reverse("admin:webhooks_deliveries_deadletter_narrow", args=["replay"])
    yesterday = f"{timezone.now() - timedelta(days=1):%Y-%m-%dT%H:%M}"
    blank = {"webhook": "", "error": "", "status_code": "", "before": ""}
    narrowed = browser.get(address, {**blank, "since": yesterday}, follow=True)
    assert narrowed.context["count"] == 1
    job = run_bulk(browser, "replay", since=yesterday)
    assert job is not None
    assert statuses(old, shop.dead_letter) == ["dead", "retrying"]


def test_a_narrowed_selection_names_webhook_error_and_both_ends(shop: Shop, browser: Client) -> None:
    other = make_dead(add_delivery(make_webhook(shop.merchant, name="second")), error="response_timeout")
    chosen = {"webhook": other.webhook_id, "error": "response_timeout", "since": "2020-01-01T00:00"}
    page = browser.get(reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"]), chosen)
    assert page.context["count"] == 1
    assert "second" in page.content.decode()
    before = {"before": "2020-01-01T00:00"}
    assert "No waiting dead letter matches" in browser.get(page.request["PATH_INFO"], before).content.decode()
    assert browser.get(page.request["PATH_INFO"], {"since": "yesterday"}).status_code == 422


def test_a_jobs_page_says_what_came_of_its_replays(shop: Shop, browser: Client) -> None:
    dead_letters = make_dead_letters(shop, 3)
    job = run_bulk(browser, "replay", all="on")
    assert job is not None
    for dead_letter, status in zip(dead_letters, ("delivered", "dead", "skipped"), strict=True):
        Delivery.objects.filter(pk=dead_letter.delivery_id).update(status=status)
    now = browser.get(reverse("admin:webhooks_deliveries_job_look", args=[job.pk])).json()
    assert now["results"] == {"arrived": 1, "failed": 1, "waiting": 1, "others": 1}
    assert not now["is_settled"]
    assert (
        "Failed again" in browser.get(reverse("admin:webhooks_deliveries_job_change", args=[job.pk])).content.decode()
    )


def test_a_job_is_stopped_and_paced_from_its_page(shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_turns, "send", lambda *_: None)
    make_dead_letters(shop, 24)
    job = core.start(
        shop.merchant, kind="replay", source="dead-letters", chosen={"all": True}, by="anna", note="", rate=5
    )
    core.run(job.pk)
    rate = reverse("admin:webhooks_deliveries_job_change_rate", args=[job.pk])
    viewer = sign_in(shop.people["viewer"])
    assert viewer.post(rate, {"rate": "10"}).status_code == 403
    for given in ("10", "-1", "many"):
        browser.post(rate, {"rate": given})
    job.refresh_from_db()
    assert (job.done, job.rate) == (5, 10)
    Job.objects.update(updated_at=timezone.now() - job_turns.PACE)
    core.run(job.pk)
    browser.post(reverse("admin:webhooks_deliveries_job_stop", args=[job.pk]))
    Job.objects.update(updated_at=timezone.now() - job_turns.PACE)
    core.run(job.pk)
    job.refresh_from_db()
    assert (job.done, job.status) == (15, "stopped")
    page = browser.get(reverse("admin:webhooks_deliveries_job_change", args=[job.pk])).content.decode()
    assert "Stopped: 15 on their way, the other 10 were left as they are." in page
