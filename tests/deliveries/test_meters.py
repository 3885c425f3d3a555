"""Counters and histograms say what happened: each thing once, where it happened."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from deliveries import meters
from deliveries.maintenance import calls
from deliveries.publishing import publish, publish_many
from deliveries.queueing import broker, orphans
from deliveries.recording import outcomes
from deliveries.transport import ErrorClass
from deliveries.worker import lifecycle, periodic_tasks, scheduler
from subscriptions import redis_clients, tallies
from tests.support.engine import answered, claim_one, due_one, expire
from tests.support.factories import make_merchant, make_webhook
from tests.support.processes import beat, environment, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def families() -> dict[str, Metric]:
    text = Client().get("/metrics").content.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in families().values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def test_published_events_are_counted_once_each_with_their_deliveries():
    merchant = make_merchant()
    for _ in range(2):
        make_webhook(merchant, events=["order.created"])
    publish("order.created", {}, merchant=merchant, id="one")
    publish("order.created", {}, merchant=merchant, id="one")
    publish_many([{"event": "order.created", "data": {"n": n}} for n in range(3)], merchant=merchant)

    assert value("webhooks_events_published_total", result="stored") == 4
    assert value("webhooks_events_published_total", result="duplicate") == 1
    assert value("webhooks_deliveries_created_total") == 8
    assert value("webhooks_publish_seconds_count") == 3


def test_what_is_rolled_back_was_not_published():
    merchant = make_merchant()
    with transaction.atomic():
        publish("order.created", {}, merchant=merchant)
        transaction.set_rollback(True)
    assert value("webhooks_events_published_total", result="stored") == 0


ENDS: list[tuple[int | None, dict[str, Any], str, str]] = [
    (200, {}, "delivered", "2xx"),
    (204, {}, "delivered", "2xx"),
    (500, {}, "failed", "5xx"),
    (404, {}, "failed", "4xx"),
    (410, {}, "dead", "4xx"),
    (302, {"error": ErrorClass.REDIRECT}, "failed", "3xx"),
    (None, {}, "failed", "response_timeout"),
    (None, {"error": ErrorClass.DNS_FAILED}, "failed", "dns_failed"),
    (None, {"error": ErrorClass.INTERNAL, "permanent": True}, "dead", "internal"),
]


@pytest.mark.parametrize(("status", "more", "result", "outcome"), ENDS)
def test_an_attempt_counts_by_what_followed_and_by_what_was_answered(status, more, result, outcome):
    outcomes.record([answered(claim_one(due_one()), status, **more)])

    for name in ("delivered", "failed", "dead", "interrupted"):
        assert value("webhooks_attempts_total", result=name) == (name == result)
    assert value("webhooks_attempt_outcomes_total", outcome=outcome) == 1
    assert value("webhooks_attempt_seconds_count") == value("webhooks_record_seconds_count") == 1
    assert value("webhooks_attempt_seconds_sum") == pytest.approx(0.012)
    assert value("webhooks_attempt_lateness_seconds_count") == 1
    assert value("webhooks_deliveries_claimed_total") == value("webhooks_claim_seconds_count") == 1


def test_an_interrupted_attempt_counts_once():
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    orphans.take_back([delivery.webhook_id])
    assert value("webhooks_attempts_total", result="interrupted") == 1


def test_every_outcome_that_an_attempt_may_have_is_shown_before_it_happened():
    shown = {sample.labels["outcome"] for sample in families()["webhooks_attempt_outcomes"].samples}
    never_without_status = {"http_error", "redirect", "interrupted"}
    assert shown == {*(each.value for each in ErrorClass), "2xx", "3xx", "4xx", "5xx"} - never_without_status


def test_sweeps_count_by_whether_they_found_something():
    scheduler.sweep()
    due_one()
    scheduler.sweep()
    assert (value("webhooks_sweeps_total", found="no"), value("webhooks_sweeps_total", found="yes")) == (1, 1)
    assert value("webhooks_sweep_webhooks_total") == 1


@pytest.mark.parametrize(("state", "result"), [("SUCCESS", "success"), ("FAILURE", "failure"), ("RETRY", "failure")])
def test_housekeeping_tasks_count_by_how_they_ended(state: str, result: str):
    lifecycle._meter_end(periodic_tasks.purge, state=state)
    assert value("webhooks_housekeeping_tasks_total", task="deliveries.purge", result=result) == 1
    assert value("webhooks_housekeeping_seconds_count") == 1


def test_tasks_of_others_are_not_counted():
    class Theirs:
        name = "shop.send_newsletter"

    lifecycle._meter_end(Theirs(), state="SUCCESS")
    assert value("webhooks_housekeeping_seconds_count") == 0


def test_calls_that_no_worker_begins_with_are_counted_until_one_does():
    for _ in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls, "LOST_AFTER", calls.AHEAD * 0)
            calls.call_due(["tell"], lambda *_: True, lambda _: None)
    assert value("webhooks_housekeeping_unanswered_calls") == 4
    assert 0 <= value("webhooks_beat_last_call_seconds") < 20
    calls.begun(["tell"])
    assert value("webhooks_housekeeping_unanswered_calls") == 0


def test_messages_that_wait_in_the_queues_are_counted():
    assert value("webhooks_queue_messages", queue="housekeeping") == 0
    for _ in range(3):
        broker.enqueue(periodic_tasks.purge, [])
    assert value("webhooks_queue_messages", queue="housekeeping") == 3
    assert value("webhooks_queue_messages", queue="deliveries") == 0


def test_beat_brings_its_counts_from_its_own_process(empty_redis):
    from django.conf import settings
    from django.db import connection

    given = connection.settings_dict
    url = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    with beat(environment(DATABASE_URL=url, REDIS_URL=settings.MERCHANT_WEBHOOKS["REDIS_URL"])):
        wait_for(lambda: value("webhooks_beat_calls_total") >= 5, 20, "beat's count")


def test_a_histogram_has_prometheus_form_and_counts_what_is_on_a_bound_below_it():
    histogram = meters.RECORDING
    for seconds in (0.0, 0.001, 0.0011, 30.0, 31.0, 3600.0):
        histogram.observe(seconds)
    samples = families()["webhooks_record_seconds"].samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (buckets["0.001"], buckets["0.0025"], buckets["30.0"], buckets["+Inf"]) == (2, 3, 4, 6)
    assert list(buckets.values()) == sorted(buckets.values())
    assert value("webhooks_record_seconds_sum") == pytest.approx(3661.0021, abs=1e-4)


def test_while_redis_is_away_counters_are_missing_and_do_not_fall(settings):
    due_one()
    real = redis_clients.client()
    assert value("webhooks_events_published_total", result="stored") == 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "webhooks_events_published" not in families()
    assert families()["webhooks_redis_up"].samples[0].value == 0
    assert (tallies.totals(real) or {})["webhooks_events_published_total:stored"] == 1
