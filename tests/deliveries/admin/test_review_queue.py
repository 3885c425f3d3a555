from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, TestCase
from django.urls import reverse
from django.utils import timezone

from deliveries.admin import bulk_actions, dead_letter_groups
from deliveries.admin.navigation import open_dead_letters
from deliveries.models import DeadLetter, Delivery, Job, WebhookState
from deliveries.review import bulk_jobs as core
from deliveries.review import job_turns
from subscriptions import services
from tests.support.desk import Shop, add_delivery, make_dead, make_shop, sign_in
from tests.support.factories import make_member, make_user, make_webhook

pytestmark = pytest.mark.django_db

QUEUE = "/admin/webhooks_deliveries/deadletter/"


def statuses(*dead_letters: DeadLetter) -> list[str]:
    return [Delivery.objects.get(pk=dead_letter.delivery_id).status for dead_letter in dead_letters]


def make_dead_letters(shop: Shop, count: int, **how: Any) -> list[DeadLetter]:
    return [make_dead(add_delivery(shop.webhook), **how) for _ in range(count)]


def test_the_queue_shows_the_oldest_first_and_only_what_waits(shop: Shop, browser: Client) -> None:
    dead_letters = make_dead_letters(shop, 2)
    browser.post(reverse("admin:webhooks_deliveries_deadletter_discard", args=[dead_letters[0].pk]), {"note": "moved"})
    changelist = browser.get(QUEUE).context["cl"]
    assert list(changelist.result_list) == [shop.dead_letter, dead_letters[1]]


def test_dead_letters_are_grouped_by_webhook_and_error(shop: Shop, browser: Client) -> None:
    make_dead_letters(shop, 2)
    make_dead_letters(shop, 3, error="response_timeout", status_code=None)
    groups = browser.get(QUEUE).context["groups"]
    assert [(group.webhook, group.title, group.count) for group in groups] == [
        (shop.webhook, "HTTP 503", 3),
        (shop.webhook, "No answer in time", 3),
    ]


@pytest.mark.parametrize("failures", [0, 2])
def test_a_group_of_a_webhook_that_still_fails_says_so_before_it_is_replayed(
    failures: int, shop: Shop, browser: Client
) -> None:
    WebhookState.objects.update_or_create(webhook=shop.webhook, defaults={"failures": failures})
    page = browser.get(QUEUE).content.decode()
    assert ("what is replayed now would come back" in page) == bool(failures)


def test_a_person_without_a_merchant_finds_an_empty_queue(shop: Shop) -> None:
    person = make_member(shop.merchant)
    person.memberships.all().delete()
    assert dead_letter_groups.groups(DeadLetter.objects.filter(merchant_id__in=[])) == []
    assert sign_in(person).get(QUEUE).status_code in {200, 403}


def test_an_empty_queue_is_a_pleasure_to_see(shop: Shop, browser: Client) -> None:
    browser.post(reverse("admin:webhooks_deliveries_deadletter_replay", args=[shop.dead_letter.pk]))
    assert "Nothing waits for you" in browser.get(QUEUE).content.decode()


def test_replaying_sends_it_again_and_the_record_names_who_did(shop: Shop, browser: Client) -> None:
    browser.post(reverse("admin:webhooks_deliveries_deadletter_replay", args=[shop.dead_letter.pk]))
    shop.dead_letter.refresh_from_db()
    assert statuses(shop.dead_letter) == ["retrying"]
    assert shop.dead_letter.resolved_by == shop.people["developer"].username
    decided = browser.get(f"{QUEUE}?decision=replayed").content.decode()
    name = shop.people["developer"].username
    assert f'<span title="Replayed">Replayed</span><small title="{name}">{name}</small>' in decided


def test_the_selected_are_replayed_discarded_or_taken(shop: Shop, browser: Client) -> None:
    first, second, third = make_dead_letters(shop, 3)
    for action, dead_letter in (("replay_selected", first), ("discard_selected", second), ("take", third)):
        browser.post(QUEUE, {"action": action, "_selected_action": [dead_letter.pk], "index": 0, "note": "moved"})
    third.refresh_from_db()
    assert statuses(first, second, third) == ["retrying", "discarded", "dead"]
    assert third.assignee == shop.people["developer"]


def test_a_dead_letter_can_be_assigned_to_members_only_and_noted(shop: Shop, browser: Client) -> None:
    stranger = make_shop("borage").people["owner"]
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    offered = set(browser.get(page).context["adminform"].form.fields["assignee"].queryset)
    assert offered == set(shop.people.values())
    browser.post(page, {"assignee": stranger.pk, "note": "x"})
    browser.post(page, {"assignee": shop.people["owner"].pk, "note": "Server was down"})
    shop.dead_letter.refresh_from_db()
    assert (shop.dead_letter.assignee, shop.dead_letter.note) == (shop.people["owner"], "Server was down")


def test_the_endpoint_can_be_fixed_in_place(shop: Shop, browser: Client) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    browser.post(page, {"url": "https://new.example.com/hooks", "note": ""})
    shop.webhook.refresh_from_db()
    assert shop.webhook.url == "https://new.example.com/hooks"
    answer = browser.post(page, {"url": "nowhere", "note": ""})
    assert answer.context["adminform"].form.errors["url"]


@pytest.mark.parametrize(("button", "status"), [("_save", "dead"), ("_replay", "retrying"), ("_discard", "discarded")])
def test_the_note_is_kept_whatever_button_is_pressed(button: str, status: str, shop: Shop, browser: Client) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    browser.post(page, {"note": "Server was down", "url": shop.webhook.url, button: "1"})
    shop.dead_letter.refresh_from_db()
    assert (statuses(shop.dead_letter), shop.dead_letter.note) == ([status], "Server was down")


def test_a_discard_of_one_or_of_the_selected_asks_for_its_reason(shop: Shop, browser: Client) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    answer = browser.post(page, {"note": " ", "url": shop.webhook.url, "_discard": "1"})
    assert "Give a reason" in answer.content.decode()
    browser.post(reverse("admin:webhooks_deliveries_deadletter_discard", args=[shop.dead_letter.pk]))
    asked = browser.post(QUEUE, {"action": "discard_selected", "_selected_action": [shop.dead_letter.pk], "index": 0})
    assert 'name="note"' in asked.content.decode()
    assert statuses(shop.dead_letter) == ["dead"]


def test_a_dead_letters_page_shows_its_attempts_and_its_payload(shop: Shop, browser: Client) -> None:
    page = browser.get(reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk]))
    for text in ("Attempt 1", "HTTP 503", "aster-1045", "changes the webhook itself"):
        assert text in page.content.decode()


# --- all that match -----------------------------------------------------------------------------------------------


def run_bulk(browser: Client, what: str, **chosen: Any) -> Job | None:
    """Ask for a bulk decision, let a worker carry its job out, and return the job."""
    before = set(Job.objects.values_list("pk", flat=True))
    browser.post(reverse("admin:webhooks_deliveries_deadletter_all", args=[what]), {"note": "fixed", **chosen})
    job = Job.objects.exclude(pk__in=before).first()
    while job is not None and job.status not in {"done", "failed"}:
        Job.objects.filter(pk=job.pk).update(updated_at=timezone.now() - timedelta(minutes=2))
        core.run(job.pk)
        job.refresh_from_db()
    return job


def test_a_bulk_shows_its_count_before_it_does_anything(shop: Shop, browser: Client) -> None:
    dead_letters = make_dead_letters(shop, 4)
    page = browser.get(reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"]), {"error": "http_error"})
    assert page.context["count"] == 5
    assert "Replay 5 of the review queue?" in page.content.decode()
    assert set(statuses(*dead_letters)) == {"dead"}


def test_a_bulk_takes_all_that_match_and_nothing_else(shop: Shop, browser: Client) -> None:
    dead_letters = make_dead_letters(shop, 4)
    others = make_dead_letters(shop, 2, error="response_timeout", status_code=None)
    others += make_dead_letters(shop, 1, status_code=500)
    job = run_bulk(browser, "replay", webhook=shop.webhook.pk, error="http_error", status_code=503)
    assert job is not None
    assert (job.status, job.done, job.by) == ("done", 5, shop.people["developer"].username)
    assert set(statuses(*dead_letters)) == {"retrying"}
    assert set(statuses(*others)) == {"dead"}
    assert set(DeadLetter.objects.filter(resolution="replayed").values_list("note", flat=True)) == {"fixed"}


def test_a_large_bulk_is_left_to_a_worker_and_its_page_shows_how_far_it_is(
    shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(core, "AT_ONCE_MAX", 2)
    monkeypatch.setattr(core, "STEP", 2)
    monkeypatch.setattr(job_turns, "send", lambda pk, *_: told.append(pk))
    Job.objects.update(status="done")  # the shop's own, whose turn would come first
    dead_letters = make_dead_letters(shop, 4)
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = browser.post(reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"]), {"all": "on"})
    job = Job.objects.latest("pk")
    assert answer["location"] == reverse("admin:webhooks_deliveries_job_change", args=[job.pk])
    assert told == [job.pk]
    assert set(statuses(*dead_letters)) == {"dead"}
    assert "It waits for a worker" in browser.get(answer["location"]).content.decode()
    core._step(job)
    look = reverse("admin:webhooks_deliveries_job_look", args=[job.pk])
    assert browser.get(look).json()["told"] == "2 of 5 on their way."
    core.run(job.pk)
    now = browser.get(look).json()
    assert (now["done"], now["total"], now["is_over"], now["told"]) == (5, 5, True, "Done: 5 on their way.")
    assert sign_in(make_shop("borage").people["owner"]).get(look).status_code == 404


def test_a_rate_bounds_what_one_second_takes(shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str, float]] = []
    monkeypatch.setattr(job_turns, "send", lambda *message: told.append(message))
    Job.objects.update(status="done")
    make_dead_letters(shop, 24)
    with TestCase.captureOnCommitCallbacks(execute=True):
        browser.post(reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"]), {"rate": "10", "all": "on"})
    job = Job.objects.latest("pk")
    done = []
    for _ in range(3):
        turn = told[-1][1]
        for _ in range(2):  # and the same message once more
            core.run_job.apply(args=(job.pk,), task_id=turn, throw=True)
        job.refresh_from_db()
        done.append(job.done)
    assert done == [10, 20, 25]
    assert job.status == "done"
    assert [(pk, math.ceil(countdown)) for pk, _, countdown in told] == [(job.pk, 0), (job.pk, 1), (job.pk, 1)]


def test_dead_letters_of_several_merchants_get_a_job_each_up_to_a_bound(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, staff = make_shop("borage"), sign_in(make_user(is_superuser=True))
    monkeypatch.setattr(bulk_actions, "MERCHANTS_MAX", 1)
    address = reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"])
    assert "more than 1 merchant" in staff.post(address, {"all": "on"}).content.decode()
    assert statuses(shop.dead_letter, other.dead_letter) == ["dead", "dead"]
    monkeypatch.setattr(bulk_actions, "MERCHANTS_MAX", 2)
    assert staff.post(address, {"all": "on"})["location"] == reverse("admin:webhooks_deliveries_job_changelist")
    assert statuses(shop.dead_letter, other.dead_letter) == ["retrying", "retrying"]


def test_a_discard_without_a_reason_is_asked_for_one(shop: Shop, browser: Client) -> None:
    answer = browser.post(reverse("admin:webhooks_deliveries_deadletter_all", args=["discard"]), {"note": " "})
    assert "Give a reason" in answer.content.decode()
    assert statuses(shop.dead_letter) == ["dead"]


def test_what_dies_after_the_preview_is_not_swept_along(shop: Shop, browser: Client) -> None:
    until = browser.get(reverse("admin:webhooks_deliveries_deadletter_all", args=["discard"])).context["chosen"][
        "until"
    ]
    late = make_dead(add_delivery(shop.webhook))
    run_bulk(browser, "discard", until=until, all="on")
    assert statuses(shop.dead_letter, late) == ["discarded", "dead"]


def test_a_bulk_leaves_dead_letters_of_other_merchants_alone(shop: Shop, browser: Client) -> None:
    other = make_shop("borage")
    run_bulk(browser, "discard", all="on")
    run_bulk(browser, "discard", webhook=other.webhook.pk)
    assert statuses(shop.dead_letter, other.dead_letter) == ["discarded", "dead"]


def test_a_bulk_says_how_many_it_leaves_alone_because_their_webhook_is_off(shop: Shop, browser: Client) -> None:
    services.disable(webhook=shop.webhook, reason="test")
    page = browser.get(reverse("admin:webhooks_deliveries_deadletter_all", args=["replay"]))
    assert page.context["count"] == 0
    assert "their webhooks are off" in page.content.decode()


def test_a_viewer_and_a_malformed_request_decide_nothing(shop: Shop, browser: Client) -> None:
    address = reverse("admin:webhooks_deliveries_deadletter_all", args=["discard"])
    assert sign_in(shop.people["viewer"]).post(address).status_code == 403
    assert browser.post(address, {"webhook": "x"}).status_code == 422
    assert browser.get(reverse("admin:webhooks_deliveries_deadletter_all", args=["burn"])).status_code == 404
    assert statuses(shop.dead_letter) == ["dead"]


def test_the_badge_counts_own_dead_letters(shop: Shop, browser: Client) -> None:
    make_shop("borage")
    make_webhook(shop.merchant)
    make_dead_letters(shop, 1)
    request = browser.get("/admin/").wsgi_request
    assert open_dead_letters(request) == "2"
