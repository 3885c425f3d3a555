"""What Prometheus reads: whole numbers of the installation, from counters and open rows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from deliveries.db import counters
from deliveries.db.counters import LATENESS, Count
from deliveries.publishing import publish
from deliveries.queueing import wakeups
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def scrape(**headers: str) -> dict[tuple[str, str], float]:
    """Return (sample, label values) → value."""
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, ",".join(s.labels.values())): s.value for family in families for s in family.samples}


def test_open_deliveries_are_counted_by_status():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"])
    publish("order.created", {"order": {}}, merchant=merchant)

    found = scrape()

    assert found["webhooks_open_deliveries", "pending"] == 1
    assert found["webhooks_open_deliveries", "sending"] == 0
    assert found["webhooks_dead_letters", ""] == 0


def test_the_last_hours_attempts_and_times_are_shown_in_seconds():
    webhook = make_webhook(make_merchant())
    now = datetime.now(UTC)
    counters.add([Count(webhook.merchant_id, webhook.pk, now, "delivered", ms) for ms in (3.0, 40.0, 90_000.0)])
    counters.add([Count(webhook.merchant_id, webhook.pk, now, LATENESS, 7.0)])
    counters.add([Count(webhook.merchant_id, webhook.pk, now - timedelta(hours=3), "dead", 7.0)])

    found = scrape()

    assert found["webhooks_attempts_last_hour", "delivered"] == 3
    assert found["webhooks_attempts_last_hour", "dead"] == 0
    assert 0.035 < found["webhooks_response_seconds", "0.5"] <= 0.05
    assert found["webhooks_response_seconds", "0.99"] > 10
    assert 0.005 < found["webhooks_lateness_seconds", "0.95"] <= 0.01


def test_the_fleet_is_what_redis_heard_lately():
    wakeups.arrive("one", [1, 2])
    wakeups.heartbeat(worker=True)

    found = scrape()

    assert found["webhooks_workers", ""] == 1
    assert found["webhooks_dispatchers", ""] == 1
    assert found["webhooks_ready_webhooks", ""] == 2
    assert found["webhooks_redis_up", ""] == 1


def test_with_a_token_set_only_its_bearer_is_answered(settings):
    settings.METRICS_TOKEN = "scrape-me"

    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert ("webhooks_redis_up", "") in scrape(Authorization="Bearer scrape-me")
