"""What Prometheus reads: whole numbers of the installation, from counters and open rows."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from deliveries.db import counters
from deliveries.db.counters import LATENESS, Count
from deliveries.publishing import publish
from deliveries.queueing import wakeups
from deliveries.reporting import metrics
from tests.support.factories import make_merchant, make_webhook
from tests.support.refusals import REFUSALS, own_redis

__all__ = ["own_redis"]

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


@pytest.mark.parametrize("says", ["OOM", "READONLY"])
def test_what_redis_says_instead_of_taking_wake_ups_is_named(own_redis, says):
    with REFUSALS[says](own_redis):
        found = scrape()
    assert (found["webhooks_redis_up", ""], found["webhooks_broker_up", ""]) == (0, 0)
    assert found["webhooks_refused", f"{says},redis"] == found["webhooks_refused", f"{says},broker"] == 1
    healed = scrape()
    assert (healed["webhooks_redis_up", ""], healed["webhooks_broker_up", ""]) == (1, 1)
    assert {labels: value for (name, labels), value in healed.items() if name == "webhooks_refused"} == {
        ",broker": 0,
        ",redis": 0,
    }


def test_without_the_database_the_scrape_says_so_and_goes_on(monkeypatch):
    def away():
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(metrics, "_backlog", away)
    found = scrape()
    assert (found["webhooks_database_up", ""], found["webhooks_redis_up", ""]) == (0, 1)
    assert ("webhooks_dead_letters", "") not in found


@pytest.mark.django_db(transaction=True)
def test_the_oldest_transaction_is_told_with_its_session_and_state():
    given = connection.get_connection_params()
    given = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}
    with psycopg.connect(**given, application_name="a backup") as other:
        other.execute("SELECT 1")
        assert scrape()["webhooks_oldest_transaction_seconds", "a backup,idle in transaction"] > 0
