"""What is purged when, and what never is; the command that does it now."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from deliveries.db import counters
from deliveries.maintenance import retention
from deliveries.maintenance.expunging import EXPUNGED
from deliveries.models import Attempt, Counter, DeadLetter, Delivery, Event, HourCounter, Job, MaintenanceTask, Notice
from deliveries.recording import outcomes
from deliveries.reporting import stats
from deliveries.review import manual_actions
from subscriptions.models import IdempotencyKey, Webhook
from tests.support.aging import LONG_AGO, age, kind, purge, settled
from tests.support.engine import answered, claim_one, due, due_one, expire
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

# --- what goes, and what stays ------------------------------------------------------------------------------------


def test_old_deliveries_go_with_their_attempts_and_events_and_young_ones_stay():
    webhook = make_webhook()
    old, young = settled(webhook), settled(webhook)
    age(old)
    purge()
    assert list(Delivery.objects.all()) == [young]
    assert list(Event.objects.all()) == [young.event]
    assert Attempt.objects.get().delivery_id == young.pk


def test_everything_stays_where_no_age_is_set(settings):
    for each in retention.kinds():
        setattr(settings, each.setting, 0)
    age(settled())
    assert purge() == 0
    assert Delivery.objects.count() == Event.objects.count() == Attempt.objects.count() == 1


@pytest.mark.parametrize("state", ["pending", "sending", "retrying", "claim ran out", "in review", "paused"])
def test_what_is_open_or_in_review_is_never_touched_however_old(state):
    webhook = make_webhook(retry_policy={"delays": []} if state == "in review" else None)
    delivery = due_one(webhook)
    if state != "pending":
        row = claim_one(delivery)
        if state in {"retrying", "in review", "paused"}:
            outcomes.record([answered(row, 500, body=b"answer")])
        if state == "claim ran out":
            expire(delivery)
    if state == "paused":
        Webhook.objects.update(paused_at=timezone.now() - LONG_AGO)
    age(delivery)
    before = Delivery.objects.values().get(), Event.objects.values().get(), list(Attempt.objects.values())
    purge()
    assert (Delivery.objects.values().get(), Event.objects.values().get(), list(Attempt.objects.values())) == before
    assert DeadLetter.objects.count() == (state == "in review")


def test_an_event_stays_while_any_of_its_deliveries_is_open(settings):
    settings.WEBHOOKS_KEEP_DELIVERIES = 0
    merchant = make_merchant()
    done, waiting = make_webhook(merchant), make_webhook(merchant)
    delivery = due_one(done)
    outcomes.record([answered(claim_one(delivery))])
    age(delivery, Delivery.objects.get(webhook=waiting))
    purge("payloads", "events")
    assert Event.objects.get().data != EXPUNGED
    assert Delivery.objects.count() == 2


def test_an_old_event_takes_its_closed_deliveries_along(settings):
    settings.WEBHOOKS_KEEP_DELIVERIES = 0
    delivery = settled()
    age(delivery)
    assert purge("events") == 1
    assert not Delivery.objects.exists()


def test_a_discarded_dead_letter_goes_with_its_delivery():
    delivery = settled(status=500)
    manual_actions.discard(delivery=delivery, by="ada")
    age(delivery)
    purge()
    assert not DeadLetter.objects.exists()
    assert not Delivery.objects.exists()


def test_a_delivery_replayed_and_closed_lately_counts_from_its_end():
    delivery = settled()
    age(delivery)
    Delivery.objects.update(closed_at=timezone.now())
    purge("deliveries")
    assert Delivery.objects.exists()


def test_attempts_may_be_kept_shorter_than_their_deliveries(settings):
    settings.WEBHOOKS_KEEP_ATTEMPTS = 10
    delivery = settled()
    age(delivery, by=timedelta(days=20))
    purge()
    assert Delivery.objects.exists()
    assert not Attempt.objects.exists()


def test_bodies_go_before_their_attempts_and_the_line_of_the_log_stays(settings):
    delivery = settled()
    age(delivery, by=timedelta(days=40))
    purge()
    attempt = Attempt.objects.get()
    assert (attempt.request_headers, attempt.response_headers, bytes(attempt.response_body)) == ("[]", "[]", b"")
    assert attempt.status_code == 200
    assert attempt.digest != ""
    assert attempt.decision_code != ""


def test_payloads_can_go_before_their_events(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 30
    delivery = settled()
    age(delivery, by=timedelta(days=40))
    assert purge("payloads") == 1
    event = Event.objects.get()
    assert event.data == EXPUNGED
    assert event.size > 4, "its size tells what was there"


def test_counters_jobs_notices_and_idempotency_keys_grow_old_too():
    webhook = make_webhook()
    merchant, past, now = webhook.merchant, timezone.now() - LONG_AGO, timezone.now()
    for moment in (past, now):
        for cells in (Counter, HourCounter):
            cells.objects.create(merchant=merchant, webhook=webhook, bucket=moment, result="delivered", band=0)
        Job.objects.create(merchant=merchant, kind="replay", source="deliveries", by="x", finished_at=moment)
        IdempotencyKey.objects.create(merchant=merchant, key=str(moment), claim="x", fingerprint="x")
        times = {"first_at": moment, "last_at": moment, "due_at": moment, "closed_at": moment, "sent_at": moment}
        Notice.objects.create(merchant=merchant, webhook=webhook, kind="dead", **times)
    Job.objects.filter(finished_at=past).update(created_at=past)
    IdempotencyKey.objects.filter(key=str(past)).update(created_at=past)
    assert purge() == 5
    models = (Counter, HourCounter, Job, IdempotencyKey, Notice)
    assert [model.objects.count() for model in models] == [1, 1, 1, 1, 1]


def test_the_hours_outlive_their_five_minutes_and_those_outlive_the_windows_read_from_them():
    webhook, month_ago = make_webhook(), timezone.now() - timedelta(days=30)
    counters.add([counters.Count(webhook.merchant_id, webhook.pk, month_ago, "delivered")])
    assert purge() == 1
    assert not Counter.objects.exists()
    assert stats.summary(window=timedelta(days=40)).counts == {"delivered": 1}
    assert timedelta(days=kind("fine counters").days) > stats.FINE_MAX


def test_unfinished_jobs_and_unsent_notices_stay():
    webhook = make_webhook()
    past = timezone.now() - LONG_AGO
    Job.objects.create(merchant=webhook.merchant, kind="replay", source="deliveries", by="x")
    Job.objects.update(created_at=past)
    Notice.objects.create(
        merchant=webhook.merchant, webhook=webhook, kind="dead", first_at=past, last_at=past, due_at=past
    )
    assert purge() == 0


# --- batches ------------------------------------------------------------------------------------------------------


def test_batches_walk_past_what_stays():
    webhook = make_webhook()
    deliveries = due(webhook, 7)
    for delivery in deliveries[1::2]:
        Delivery.objects.filter(pk=delivery.pk).update(status="cancelled", due_at=None, closed_at=timezone.now())
    age(*deliveries)
    assert purge("deliveries", batch=2) == 3
    assert list(Delivery.objects.order_by("pk")) == deliveries[::2]


def test_no_batch_looks_at_more_rows_than_its_size():
    age(*[settled() for _ in range(5)])
    steps = list(retention.purge(kind("attempts"), batch=2))
    assert [(step.looked_at, step.purged) for step in steps] == [(2, 2), (2, 2), (1, 1)]


def test_bodies_go_on_where_the_last_run_came_to():
    old = settled()
    age(old)
    assert purge("bodies") == 1
    assert MaintenanceTask.objects.get(name="bodies").position == Attempt.objects.get().pk
    Attempt.objects.update(response_body=b"again")
    assert purge("bodies") == 0


def test_the_kind_that_is_most_overdue_goes_first_so_that_a_short_slice_starves_none():
    deliveries = [settled() for _ in range(6)]
    for number, delivery in enumerate(deliveries):
        age(delivery, by=timedelta(days=1000 - 10 * number))
    chosen = [kind("attempts"), kind("deliveries"), kind("events")]
    left = []
    for _kind, _step in retention.purge_oldest_first(chosen, batch=1):
        left.append([Attempt.objects.count(), Delivery.objects.count(), Event.objects.count()])
    assert left[-1] == [0, 0, 0]
    assert all(max(each) - min(each) <= 2 for each in left), left


def test_a_purge_of_one_kind_deletes_what_hangs_on_it_in_every_table_that_refers_to_it():
    referring = {
        (relation.related_model, relation.field.name)
        for model in (Event, Delivery)
        for relation in model._meta.related_objects
    }
    assert referring == {(Delivery, "event"), (Attempt, "delivery"), (DeadLetter, "delivery")}, "purging.sql names them"


# --- the command --------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge", *arguments, stdout=out)
    return out.getvalue()


def counted(table: str) -> dict[str, str]:
    rows = [line.strip("│ ").split("│") for line in table.splitlines() if line.startswith("│")]
    return {row[0].strip(): row[-1].strip() for row in rows}


def test_a_dry_run_counts_what_would_go_and_deletes_nothing():
    age(settled(), settled(), due_one())
    said = counted(run("--dry-run"))
    assert said["deliveries"] == said["attempts"] == said["bodies"] == said["events"] == "2"
    assert said["payloads"] == said["counters"] == "0"
    assert Delivery.objects.count() == 3


def test_the_dry_run_foretells_what_the_run_then_does(settings):
    settings.WEBHOOKS_KEEP_PAYLOADS = 10
    webhook = make_webhook(retry_policy={"delays": []})
    age(settled(webhook), settled(webhook, 500), due_one(webhook))
    for each in retention.kinds():
        foretold = retention.estimate(each)
        assert sum(step.purged for step in retention.purge(each)) == foretold, each.name


def test_the_command_purges_and_shows_how_far_it_is():
    age(settled(), settled())
    said = run()
    assert "deliveries" in said
    assert "2/2" in said
    assert not Delivery.objects.exists()


def test_the_command_purges_only_what_is_named():
    age(settled())
    run("--only", "attempts")
    assert not Attempt.objects.exists()
    assert Delivery.objects.exists()


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(CommandError, match="attempts"):
        run("--only", "everything")
