"""What is purged when, and what never is; payloads taken out on request; the command."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from deliveries import outcomes, retention, review
from deliveries.expunging import EXPUNGED, expunge
from deliveries.models import (
    Attempt,
    Counter,
    DeadLetter,
    Delivery,
    Event,
    Expunction,
    Job,
    Notice,
    Upkeep,
)
from deliveries.retention import Kind
from subscriptions.models import IdempotencyKey, Webhook
from tests.engine import answered, claim_one, due, due_one, expire, reread
from tests.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=1000)


def kind(name: str) -> Kind:
    return next(each for each in retention.kinds() if each.name == name)


def purge(*names: str, batch: int = retention.BATCH) -> int:
    chosen = [kind(name) for name in names] or retention.kinds()
    return sum(step.purged for each in chosen for step in retention.purge(each, batch=batch))


def age(*deliveries: Delivery, by: timedelta = LONG_AGO) -> None:
    """Let deliveries, their events and their attempts be older."""
    for delivery in deliveries:
        row = reread(delivery)
        columns = {name: getattr(row, name) - by for name in ("created_at", "closed_at") if getattr(row, name)}
        Delivery.objects.filter(pk=row.pk).update(**columns)
        for model, rows in ((Event, {"pk": row.event_id}), (Attempt, {"delivery": row})):
            column = "created_at" if model is Event else "started_at"
            for each in model.objects.filter(**rows):
                model.objects.filter(pk=each.pk).update(**{column: getattr(each, column) - by})


def settled(webhook: Webhook | None = None, status: int = 200) -> Delivery:
    """Return a delivery whose first attempt was its last."""
    delivery = due_one(webhook or make_webhook(retry_policy={"delays": []}))
    sent = answered(claim_one(delivery), status, body=b"answer", headers=[("server", "x")])
    outcomes.record([sent])
    return reread(delivery)


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


def test_a_discarded_letter_goes_with_its_delivery():
    delivery = settled(status=500)
    review.discard(delivery=delivery, by="ada")
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
    assert attempt.request_digest != ""
    assert attempt.decision != ""


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
        Counter.objects.create(merchant=merchant, webhook=webhook, bucket=moment, result="delivered", band=0)
        Job.objects.create(merchant=merchant, kind="replay", source="deliveries", by="x", finished_at=moment)
        IdempotencyKey.objects.create(merchant=merchant, key=str(moment), claim="x", fingerprint="x")
        times = {"first_at": moment, "last_at": moment, "due_at": moment, "closed_at": moment, "sent_at": moment}
        Notice.objects.create(merchant=merchant, webhook=webhook, kind="dead", **times)
    Job.objects.filter(finished_at=past).update(created_at=past)
    IdempotencyKey.objects.filter(key=str(past)).update(created_at=past)
    assert purge() == 4
    assert [model.objects.count() for model in (Counter, Job, IdempotencyKey, Notice)] == [1, 1, 1, 1]


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
    assert Upkeep.objects.get(name="bodies").position == Attempt.objects.get().pk
    Attempt.objects.update(response_body=b"again")
    assert purge("bodies") == 0


# --- expunging ----------------------------------------------------------------------------------------------------


def test_expunging_empties_the_event_and_its_attempts_and_leaves_a_trace():
    delivery, other = settled(), settled()
    trace = expunge(delivery.event, by="ada", note="Art. 17")
    event = Event.objects.get(pk=delivery.event_id)
    attempt = Attempt.objects.get(delivery=delivery)
    assert (event.data, event.type) == (EXPUNGED, "order.created")
    assert (attempt.request_headers, attempt.response_headers, bytes(attempt.response_body)) == ("[]", "[]", b"")
    assert (trace.event_id, trace.by, trace.note, trace.attempts) == (event.public_id, "ada", "Art. 17", 1)
    assert trace.created_at <= timezone.now()
    assert Event.objects.get(pk=other.event_id).data != EXPUNGED
    assert bytes(Attempt.objects.get(delivery=other).response_body) == b"answer"


def test_expunging_cancels_what_was_still_to_be_sent_and_discards_what_waits_for_review():
    merchant = make_merchant()
    failing = make_webhook(merchant, retry_policy={"delays": []})
    waiting = make_webhook(merchant)
    dead = due_one(failing)
    outcomes.record([answered(claim_one(dead), 500)])
    trace = expunge(dead.event, by="ada")
    assert reread(dead).status == Delivery.Status.DISCARDED
    assert DeadLetter.objects.get().resolved_by == "ada"
    cancelled = Delivery.objects.get(webhook=waiting)
    assert (cancelled.status, cancelled.due_at) == (Delivery.Status.CANCELLED, None)
    assert "expunged by ada" in cancelled.reason
    assert trace.cancelled == 1


def test_what_is_being_sent_right_now_is_not_expunged():
    delivery = due_one()
    claim_one(delivery)
    with pytest.raises(review.Conflict, match="being sent right now"):
        expunge(delivery.event, by="ada")
    assert Event.objects.get().data != EXPUNGED
    assert not Expunction.objects.exists()


def test_a_delivery_whose_worker_died_can_be_expunged():
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    assert expunge(delivery.event, by="ada").cancelled == 1


def test_what_was_expunged_is_not_sent_again():
    delivery = settled()
    expunge(delivery.event, by="ada")
    with pytest.raises(review.Conflict, match="expunged"):
        review.replay(delivery=reread(delivery), by="ada")
    assert review.replay_all(Delivery.objects.all(), by="ada") == 0
    assert reread(delivery).status == Delivery.Status.DELIVERED


def test_the_trace_outlives_the_event():
    delivery = settled()
    expunge(delivery.event, by="ada")
    age(delivery)
    purge()
    assert not Event.objects.exists()
    assert Expunction.objects.get().event_id == delivery.event.public_id


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
