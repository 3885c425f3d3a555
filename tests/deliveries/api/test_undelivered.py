"""Catching up: everything that no 2xx answered is listed and can be sent again, whatever kept it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench import log_rows
from deliveries.models import DeadLetter, Delivery
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.api import Client
from tests.support.delivery_log import close
from tests.support.factories import make_merchant, make_webhook

FEED = "/api/v1/undelivered"
REPLAY = "/api/v1/deliveries/replay"
KEPT = [
    ("skipped", "disabled_at_publish"),
    ("skipped", "webhook_disabled"),
    ("skipped", "endpoint_gone"),
    ("skipped", "filtered"),
    ("skipped", "debounced"),
    ("cancelled", "webhook_disabled"),
    ("cancelled", "expired"),
    ("cancelled", "cancelled"),
    ("discarded", "discarded"),
    ("dead", "attempts_exhausted"),
    ("dead", "final_status"),
    ("dead", "endpoint_gone"),
    ("dead", "permanent_failure"),
    ("dead", "worker_died"),
]
"""Closed states with the reasons that lead there."""


def listed(api: Client, query: str = "") -> list[str]:
    """Return the ids on all pages of the list."""
    found, address = [], f"{FEED}?limit=2{query}"
    while address:
        page = api.get(address).json()
        found += [row["id"] for row in page["results"]]
        address = page["next"]
    return found


@pytest.mark.parametrize(("status", "code"), KEPT)
def test_what_no_2xx_answered_is_listed_and_replayed(
    api: Client, deliveries: list[Delivery], webhook: dict[str, Any], status: str, code: str
) -> None:
    for other in deliveries[1:]:
        close(other, "delivered")
    kept = close(deliveries[0], status)
    Delivery.objects.filter(pk=kept.pk).update(reason_code=code)

    assert listed(api) == [kept.public_id]
    [row] = api.get(FEED).json()["results"]
    assert (row["status"], row["data"]) == (status, {"n": 0})
    assert api.post(REPLAY, {"webhook": webhook["id"], "status": "undelivered", "dry_run": True}).json()["count"] == 1

    answer = api.post(REPLAY, {"webhook": webhook["id"], "status": ["undelivered"]})

    assert (answer.status_code, answer.json()["count"]) == (200, 1)
    kept.refresh_from_db()
    assert (kept.status, kept.due_at is not None, kept.reason_code) == ("retrying", True, "")
    assert not DeadLetter.objects.filter(resolved_at=None).exists()
    assert Delivery.objects.filter(status="delivered").count() == len(deliveries) - 1
    assert listed(api) == [kept.public_id], "until it arrives"


@pytest.mark.parametrize("status", ["pending", "sending", "retrying"])
def test_what_is_still_to_be_sent_is_listed_and_not_replayed(
    api: Client, deliveries: list[Delivery], webhook: dict[str, Any], status: str
) -> None:
    Delivery.objects.exclude(pk=deliveries[0].pk).update(status="delivered", due_at=None)
    Delivery.objects.filter(pk=deliveries[0].pk).update(status=status, due_at=timezone.now())

    assert listed(api) == [deliveries[0].public_id]
    assert api.post(REPLAY, {"webhook": webhook["id"], "status": "undelivered"}).json()["count"] == 0


def test_an_outage_with_a_disabled_webhook_is_caught_up_with_wholly(
    api: Client, deliveries: list[Delivery], webhook: dict[str, Any], django_capture_on_commit_callbacks: Any
) -> None:
    close(deliveries[0], "delivered")
    row = Webhook.objects.get(public_id=webhook["id"])
    with django_capture_on_commit_callbacks(execute=True):
        services.disable(webhook=row, reason="The endpoint answered 410 Gone.")
    api.post("/api/v1/events", {"event": "order.created", "data": {"n": 5}})
    assert set(Delivery.objects.exclude(pk=deliveries[0].pk).values_list("status", flat=True)) == {"skipped"}

    missed = list(Delivery.objects.order_by("id").values_list("public_id", flat=True))[1:]
    assert listed(api) == listed(api, f"&webhook={webhook['id']}") == missed
    assert [one["data"]["n"] for one in api.get(FEED).json()["results"]] == [1, 2, 3, 4, 5]

    row.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        services.enable(webhook=row)
        answer = api.post(REPLAY, {"webhook": webhook["id"], "status": "undelivered"})
    assert answer.json()["count"] == 5
    assert Delivery.objects.filter(status="retrying").count() == 5


def test_all_states_stand_in_one_list_in_the_order_of_their_making(api: Client, deliveries: list[Delivery]) -> None:
    for delivery, status in zip(deliveries, ["skipped", "dead", "delivered", "discarded"], strict=False):
        close(delivery, status)
    left = [one.public_id for one in deliveries if one.status != "delivered"]

    assert listed(api) == left
    last = api.get(api.get(f"{FEED}?limit=2").json()["next"]).json()
    assert [row["id"] for row in api.get(last["previous"]).json()["results"]] == left[:2]
    assert [row["id"] for row in api.get("/api/v1/deliveries?status=undelivered").json()["results"]] == left[::-1]


def test_nothing_of_another_merchant_is_listed(stranger: Client, deliveries: list[Delivery]) -> None:
    for delivery, status in zip(deliveries, ["skipped", "dead", "cancelled", "discarded"], strict=False):
        close(delivery, status)

    assert listed(stranger) == []


def test_a_page_reads_no_more_than_a_page_of_a_long_log(api: Client, shop: Any) -> None:
    other = make_merchant("busy")
    for merchant in (shop.merchant, other):
        make_webhook(merchant)
        log_rows.load(merchant, 10_000)
    skipped = Delivery.objects.filter(merchant=shop.merchant, status="delivered").order_by("pk")[:3000]
    Delivery.objects.filter(pk__in=list(skipped.values_list("pk", flat=True))).update(status="skipped")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = api.get(f"{FEED}?limit=20").json()
    assert len(page["results"]) == 20

    [sql] = [one["sql"] for one in queries if "UNION ALL" in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [(plan,)] = cursor.fetchall()
    plan = plan if isinstance(plan, list) else json.loads(plan)
    nodes = [plan[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    scans = [node for node in nodes if "Scan" in node["Node Type"]]
    read = {node.get("Index Name", node.get("Relation Name")): node["Actual Rows"] for node in scans}
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Rows"] > 100], read
    assert "delivery_unsent_of_merchant" in read
    assert read["delivery_unsent_of_merchant"] <= 21
