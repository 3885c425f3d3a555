"""What merchants are told: which notices are written, once each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from deliveries.models import Counter, DeadLetter, MaintenanceTask, Notice, Watch
from deliveries.notifications import watcher
from subscriptions import services
from subscriptions.conf import settings
from subscriptions.models import Webhook
from tests.support.factories import make_webhook
from tests.support.notices import AT_ONCE, answer, notices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


# --- dead letters -----------------------------------------------------------------------------------------------


def test_a_final_failure_is_noticed_with_its_reason_and_time():
    [delivery] = answer(make_webhook(retry_policy=AT_ONCE), 500)
    watcher.look()
    notice = Notice.objects.get(kind=Notice.Kind.DEAD)
    dead_letter = DeadLetter.objects.get()
    assert (notice.webhook_id, notice.merchant_id, notice.count) == (delivery.webhook_id, delivery.merchant_id, 1)
    assert (notice.first_at, notice.last_at, notice.reason) == (
        dead_letter.created_at,
        dead_letter.created_at,
        dead_letter.reason,
    )
    assert notice.sent_at is None


def test_a_second_look_tells_nothing_twice():
    answer(make_webhook(retry_policy=AT_ONCE), 500)
    assert watcher.look() == 2
    assert watcher.look() == 0
    assert notices() == [("dead", 1), ("failing", 1)]


def test_final_failures_of_one_webhook_gather_in_one_notice_until_it_is_mailed():
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500, 3)
    watcher.look()
    answer(webhook, 502, 2)
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 5)]
    dead_letters = DeadLetter.objects.order_by("pk")
    notice = Notice.objects.get(kind=Notice.Kind.DEAD)
    assert (notice.first_at, notice.last_at) == (dead_letters[0].created_at, dead_letters[4].created_at)
    assert "502" in notice.reason


def test_each_webhook_has_notices_of_its_own():
    first, second = make_webhook(retry_policy=AT_ONCE), make_webhook(retry_policy=AT_ONCE)
    answer(first, 500)
    answer(second, 500, 2)
    watcher.look()
    counts = dict(Notice.objects.filter(kind=Notice.Kind.DEAD).values_list("webhook", "count"))
    assert counts == {first.pk: 1, second.pk: 2}


def test_a_dead_letter_that_appears_below_one_that_was_seen_is_still_told():
    """Numbers are given out before the commit, so a slow transaction's dead letter may come late."""
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500, 3)
    late = DeadLetter.objects.order_by("pk")[1]
    DeadLetter.objects.filter(pk=late.pk).delete()
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 2)]
    late.save(force_insert=True)
    watcher.look()
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 3)]


def test_a_gap_is_forgotten_after_an_hour():
    place = MaintenanceTask(
        name="notices", position=10, gaps=[[1, 5, (timezone.now() - timedelta(hours=2)).isoformat()]]
    )
    place.save()
    watcher.look()
    assert MaintenanceTask.objects.get(name="notices").gaps == []


def test_while_another_process_looks_nothing_is_done(monkeypatch):
    answer(make_webhook(retry_policy=AT_ONCE), 500)
    monkeypatch.setattr(watcher, "turn", lambda _name: None)
    assert watcher.look() == 0
    assert notices() == []


# --- runs of failures -------------------------------------------------------------------------------------------


def test_the_first_failure_after_a_success_is_noticed_once_a_run():
    webhook = make_webhook()
    answer(webhook, 200)
    watcher.look()
    assert notices() == []
    answer(webhook, 500)
    watcher.look()
    answer(webhook, 500)
    watcher.look()
    assert notices() == [("failing", 1)]
    assert "answered 500" in Notice.objects.get().reason


def test_a_webhook_that_never_succeeded_is_not_said_to_have_done_so():
    webhook = make_webhook()
    answer(webhook, 500, watcher.WORTH_TELLING)
    watcher.look()
    answer(webhook, 200)
    watcher.look()
    told = {each.get_kind_display(): each.reason for each in Notice.objects.all()}
    assert set(told) == {"Began to fail", "Works now"}
    assert not any("again" in reason or "after success" in reason for reason in told.values())


def test_recovery_is_noticed_after_a_run_worth_telling():
    webhook = make_webhook()
    answer(webhook, 500, watcher.WORTH_TELLING)
    watcher.look()
    answer(webhook, 200)
    watcher.look()
    assert notices() == [("failing", 1), ("recovered", 1)]
    assert f"failed {watcher.WORTH_TELLING} times in a row" in Notice.objects.get(kind="recovered").reason


def test_the_end_of_a_single_failure_is_no_news():
    webhook = make_webhook()
    answer(webhook, 500)
    watcher.look()
    answer(webhook, 200)
    watcher.look()
    assert notices() == [("failing", 1)]


def test_recovery_is_noticed_however_short_the_run_when_a_delivery_was_given_up_in_it():
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500)
    watcher.look()
    answer(webhook, 200)
    watcher.look()
    assert ("recovered", 1) in notices()


def test_a_run_that_began_after_a_success_between_two_looks_is_another_one():
    webhook = make_webhook()
    answer(webhook, 500, watcher.WORTH_TELLING)
    watcher.look()
    answer(webhook, 200)
    answer(webhook, 500)
    watcher.look()
    assert notices() == [("failing", 2), ("recovered", 1)]
    assert Watch.objects.get().failures == 1


# --- rates ------------------------------------------------------------------------------------------------------


def test_a_high_failure_rate_is_noticed_once_until_it_falls():
    webhook = make_webhook()
    answer(webhook, 200, 8)
    answer(webhook, 500, 12)
    watcher.look()
    watcher.look()
    assert notices(Notice.Kind.FAILURE_RATE) == [("failure_rate", 1)]
    assert "12 of 20 attempts" in Notice.objects.get(kind="failure_rate").reason
    answer(webhook, 200, 10)
    watcher.look()
    assert not Watch.objects.get().rate_is_high
    answer(webhook, 500, 8)
    watcher.look()
    assert notices(Notice.Kind.FAILURE_RATE) == [("failure_rate", 2)]


def test_too_few_attempts_make_no_rate():
    answer(make_webhook(), 500, settings.WEBHOOKS_FAILURE_RATE_ATTEMPTS - 1)
    watcher.look()
    assert notices(Notice.Kind.FAILURE_RATE) == []


def test_what_lies_before_the_window_does_not_count():
    answer(make_webhook(), 500, 20)
    Counter.objects.update(bucket=timezone.now() - timedelta(hours=1))
    watcher.look()
    assert notices(Notice.Kind.FAILURE_RATE) == []


# --- disabled ---------------------------------------------------------------------------------------------------


def test_a_webhook_that_its_endpoint_had_disabled_is_noticed_once():
    webhook = make_webhook()
    answer(webhook, 410)
    watcher.look()
    watcher.look()
    assert notices(Notice.Kind.DISABLED) == [("disabled", 1)]


def test_disabling_it_oneself_is_no_news():
    webhook = make_webhook()
    answer(webhook, 200)
    services.disable(webhook=webhook, reason="moving house")
    watcher.look()
    assert notices() == []


def test_disabled_again_after_being_enabled_it_is_noticed_again():
    webhook = make_webhook()
    answer(webhook, 410)
    watcher.look()
    services.enable(webhook=Webhook.objects.get())
    answer(webhook, 410)
    watcher.look()
    assert notices(Notice.Kind.DISABLED) == [("disabled", 2)]
