"""What rows of lists say at a glance: how a webhook fares, what became of an event, and the same in an export."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deliveries.models import WebhookState
from deliveries.models.webhook_states import HourCounter
from subscriptions import services
from tests.support.desk import Shop, add_delivery
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def listed(browser: Client, name: str, **query: str) -> Any:
    return browser.get(reverse(f"admin:{name}_changelist"), query)


def shown(browser: Client, name: str, key: int, column: str) -> str:
    changelist = listed(browser, name).context["cl"]
    [row] = [row for row in changelist.result_list if row.pk == key]
    value = getattr(changelist.model_admin, column)(row)
    return str(value[-1] if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("failures", "change", "state"),
    [
        (0, None, "active"),
        (1, None, "failing"),
        (40, None, "failing"),
        (40, "pause", "paused"),
        (40, "disable", "off"),
    ],
)
def test_no_webhook_that_fails_is_called_active(
    failures: int, change: str | None, state: str, shop: Shop, browser: Client
) -> None:
    webhook = make_webhook(shop.merchant)
    WebhookState.objects.create(webhook=webhook, failures=failures, last_failure_at=timezone.now())
    if change == "pause":
        services.pause(webhook=webhook, by="somebody")
    elif change == "disable":
        services.disable(webhook=webhook, reason="moved")
    assert shown(browser, "webhooks_subscriptions_webhook", webhook.pk, "health") == state


@pytest.mark.parametrize(
    ("delivered", "failed", "dead", "share"),
    [
        (0, 0, 0, "–"),  # noqa: RUF001
        (4, 0, 0, "100 %"),
        (4, 4, 0, "100 %, 50 % of attempts"),
        (0, 3, 1, "0 %"),
        (1, 1, 1, "50 %, 33 % of attempts"),
        (999_999, 0, 1, "99.9 %"),
        (0, 2, 0, "–, 0 % of attempts"),  # noqa: RUF001
    ],
)
def test_success_is_the_share_of_what_arrived_of_a_days_deliveries_beside_that_of_its_attempts(
    delivered: int, failed: int, dead: int, share: str, shop: Shop, browser: Client
) -> None:
    webhook = make_webhook(shop.merchant)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    counts = {"delivered": delivered, "failed": failed, "dead": dead, "skipped": 7, "lateness": 7}
    for result, count in counts.items():
        HourCounter.objects.create(
            merchant=shop.merchant, webhook=webhook, bucket=hour, result=result, band=0, count=count
        )
    cell = shown(browser, "webhooks_subscriptions_webhook", webhook.pk, "success")
    assert ", ".join(re.findall(r">([^<>]+)<", cell)) == share


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (["order.created"], ["order.created"]),
        (["*"], ["Everything"]),
        (["*", "webhook.*"], ["Everything", "and webhook.*"]),
    ],
)
def test_a_list_says_everything_where_a_webhook_listens_to_all(
    events: list[str], words: list[str], shop: Shop, browser: Client
) -> None:
    webhook = make_webhook(shop.merchant, events=events)
    cell = shown(browser, "webhooks_subscriptions_webhook", webhook.pk, "listens_to")
    assert re.findall(r">([^<>]+)<", cell) == words


def test_what_fails_has_a_view_of_its_own(shop: Shop, browser: Client) -> None:
    failing, paused = make_webhook(shop.merchant), make_webhook(shop.merchant)
    for webhook in (failing, paused):
        WebhookState.objects.create(webhook=webhook, failures=2)
    services.pause(webhook=paused, by="somebody")
    page = listed(browser, "webhooks_subscriptions_webhook", state="failing")
    assert [row.pk for row in page.context["cl"].result_list] == [failing.pk]


def test_what_waits_is_counted(shop: Shop, browser: Client) -> None:
    webhook = make_webhook(shop.merchant)
    for status in ("pending", "retrying", "delivered", "skipped"):
        add_delivery(webhook, status=status, due_at=timezone.now() if status in {"pending", "retrying"} else None)
    assert shown(browser, "webhooks_subscriptions_webhook", webhook.pk, "waiting") == "2"


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([], "No webhook"),
        (["delivered"], "1 delivered"),
        (["delivered", "delivered"], "2 delivered"),
        (["delivered", "dead"], "1 of 2 in review"),
        (["delivered", "retrying", "dead", "dead"], "2 of 4 in review"),
        (["skipped", "delivered"], "1 of 2 delivered"),
        (["skipped"], "1 skipped"),
    ],
)
def test_an_event_says_first_what_asks_for_attention(
    statuses: list[str], outcome: str, shop: Shop, browser: Client
) -> None:
    shop.event.deliveries.all().delete()
    for number, status in enumerate(statuses):
        row = add_delivery(make_webhook(shop.merchant, name=f"webhook {number}"), status=status)
        type(row).objects.filter(pk=row.pk).update(event=shop.event)
    assert shown(browser, "webhooks_deliveries_event", shop.event.pk, "outcome") == outcome


def test_an_export_names_resource_webhook_and_outcome_as_pages_do(shop: Shop, browser: Client) -> None:
    type(shop.delivery).objects.filter(pk=shop.delivery.pk).update(response_ms=12.6)
    answer = browser.get(reverse("admin:webhooks_deliveries_delivery_export", args=["json"]) + "?all=true")
    [row] = json.loads(b"".join(answer.streaming_content))
    assert (row["resource_id"], row["webhook_name"]) == (shop.event.resource_id, shop.webhook.name)
    assert (row["status"], row["outcome"]) == ("dead", "In review")
    assert row["response_ms"] == 13
