"""Every metric that a document names is in every scrape, and every metric in a scrape is in the document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from deliveries.publishing import publish
from deliveries.queueing import wakeups
from deliveries.recording import outcomes
from subscriptions import limits, sign_in_limits, tallies
from subscriptions.conf import settings
from subscriptions.limits import Rates
from tests.support.engine import answered, claim_one, due_one
from tests.support.factories import make_webhook
from tests.support.notices import AT_ONCE, answer

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md", *ROOT.glob("docs/adr/*.md")]
TABLE = re.compile(r"^\| (`webhooks_[a-z_]+`(?:, `webhooks_[a-z_]+`)*)(?: by ([^|]+))? \|", re.MULTILINE)
NAME = re.compile(r"`(webhooks_[a-z_]+)(?:\{[^}`]*\})?`")
NO_METRICS = {"webhooks_project", "webhooks_subscriptions", "webhooks_deliveries"}


def documented() -> dict[str, set[str]]:
    """Return name → labels of the metrics that docs/operations.md lists."""
    rows = TABLE.findall((ROOT / "docs/operations.md").read_text("utf-8"))
    return {
        name: set(re.findall(r"`([a-z_]+)`", labels))
        for names, labels in rows
        for name in re.findall(r"webhooks_[a-z_]+", names)
    }


def scraped() -> dict[str, set[str]]:
    """Return name → labels of the samples of a scrape; of a histogram, its own name and labels."""
    answered_with = Client().get("/metrics")
    assert answered_with.status_code == 200
    families = text_string_to_metric_families(answered_with.content.decode())
    return {
        family.name if family.type == "histogram" else sample.name: set(sample.labels) - {"le"}
        for family in families
        for sample in family.samples
    }


def make_busy() -> None:
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 200, 2)
    answer(webhook, 500)
    publish("order.created", {}, merchant=webhook.merchant)
    outcomes.record([answered(claim_one(due_one()), 503)])
    wakeups.arrive("one", [webhook.pk])
    wakeups.heartbeat(worker=True)


def test_a_fresh_installation_shows_what_the_document_lists() -> None:
    assert scraped() == documented()
    assert len(documented()) >= 13


def test_a_busy_installation_shows_the_same() -> None:
    make_busy()
    assert scraped() == documented()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_metric_that_a_page_names_is_scraped(page: Path) -> None:
    text = re.sub(r"# Changelog.*", "", page.read_text("utf-8"), flags=re.DOTALL)
    assert {name for name in NAME.findall(text) if name not in NO_METRICS} <= set(documented())


def test_what_passes_uncounted_while_redis_is_away_is_shown_once_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    away = limits.Limiter("redis://127.0.0.1:1/0")
    for _ in range(3):
        away.take("api", "key:1", Rates(5, 5))
    limits.take("api", "key:2", Rates(5, 5))

    assert value("webhooks_api_uncounted_requests_total") >= 3
    with redis.Redis.from_url(settings.REDIS_URL) as client:  # another process sees it there
        assert int(client.hget(f"{settings.REDIS_PREFIX}:tallies", "api_uncounted") or 0) >= 3


@pytest.mark.parametrize("door", tallies.DOORS)
def test_refused_sign_ins_are_shown_by_door_and_by_what_was_counted(door: str, settings: object) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1  # type: ignore[attr-defined]
    for _ in range(3):
        sign_in_limits.count({"REMOTE_ADDR": "198.51.100.7"}, "ann", door=door)
    for number in range(9):
        sign_in_limits.count({"REMOTE_ADDR": "198.51.100.200"}, f"person{number}", door=door)

    assert value("webhooks_sign_ins_refused_total", door=door, counted_by="account") == 2
    assert value("webhooks_sign_ins_refused_total", door=door, counted_by="address") == 3


def value(name: str, **labels: str) -> float:
    families = text_string_to_metric_families(Client().get("/metrics").content.decode())
    [found] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found
