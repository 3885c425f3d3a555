"""What PostgreSQL does for the desk's pages on a longer log: it goes by indexes, and not through others' rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import log_rows
from deliveries.admin import keyset_pages
from deliveries.db.attempt_parts import TABLE
from deliveries.maintenance import parts
from deliveries.models import Delivery, Event
from deliveries.review import search
from subscriptions.models import Membership
from tests.support import parts as of_parts
from tests.support.desk import sign_in
from tests.support.factories import make_member, make_merchant, make_user, make_webhook

pytestmark = [
    pytest.mark.django_db,
]

LARGE, QUIET = 20_000, 200
PART = 2_000
"""Keys a part of attempts, and the rows of the log that a page looks through."""
LONG = {"webhooks_deliveries_delivery", "webhooks_deliveries_attempt", "webhooks_deliveries_event"}
PREVIEW = "/admin/webhooks_deliveries/deadletter/all/replay/"
"""Counts all that match, since that is the question; with a shop of few dead letters it reads few rows, too."""
LOG = "/admin/webhooks_deliveries/delivery/"
PAGES = [
    "/admin/",
    "/admin/?window=30d",
    LOG,
    f"{LOG}?outcome=failed",
    f"{LOG}?within=24h",
    f"{LOG}?q=nowhere",
    f"{LOG}?event_type=file.uploaded",
    f"{LOG}?answer=5",
    "/admin/webhooks_deliveries/event/",
    "/admin/webhooks_deliveries/attempt/",
    "/admin/webhooks_deliveries/attempt/?result=failed",
    "/admin/webhooks_deliveries/deadletter/",
    "/admin/webhooks_deliveries/job/",
    "/admin/webhooks_subscriptions/webhook/",
    PREVIEW,
    "delivery",
    "event",
]


@pytest.fixture
def people() -> dict[str, User]:
    """The owner of a busy shop beside quiet ones, the owner of a quiet one, a member of both kinds, and staff."""
    shops = [make_merchant("quiet"), make_merchant("hushed"), make_merchant("busy")]
    for shop in shops:
        for _ in range(3):
            make_webhook(shop)
        log_rows.load(shop, LARGE if shop.name == "busy" else QUIET)
    quiet, hushed, busy = shops
    found = {"quiet": make_member(quiet), "busy": make_member(busy), "staff": make_user(is_superuser=True)}
    for name, of in (("two quiet", (quiet, hushed)), ("several", shops)):
        found[name] = make_member(of[0])
        for shop in of[1:]:
            Membership.objects.create(user=found[name], merchant=shop, role="developer")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return found


def address(page: str, shop: str) -> str:
    model = {"delivery": Delivery, "event": Event}.get(page)
    if model is None:
        return page
    row = model._default_manager.filter(merchant__name=shop).earliest("pk")
    return f"/admin/webhooks_deliveries/{page}/{row.pk}/change/"


def plans(browser: Client, path: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (query, the nodes of its plan as it was carried out) for each that a page sends."""
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(path)
        assert answer.status_code == 200, path
    for query in queries:
        if not query["sql"].lstrip().startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query["sql"])
            [(found,)] = cursor.fetchall()
        found = json.loads(found) if isinstance(found, str) else found
        yield query["sql"], list(nodes(found[0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from nodes(part)


def read(node: dict[str, Any]) -> int:
    """Return the rows that a scan looked at, kept or not; parts that are empty have none."""
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


def table_of(node: dict[str, Any]) -> str:
    """Return the table that a node reads; of attempts in parts that of which it is a part."""
    name = str(node.get("Relation Name", ""))
    return TABLE if name.startswith(TABLE) else name


@pytest.fixture(params=["whole", "in parts"])
def form(request: pytest.FixtureRequest, db: None) -> Iterator[str]:
    """Have attempts in one table, and in parts: eleven with rows, the oldest, two ahead, and the rest."""
    with of_parts.in_parts(PART) if request.param == "in parts" else nullcontext():
        if request.param == "in parts":
            parts.make(of_parts.read().ranges[-1].high, PART, 11)
        yield request.param


def test_no_page_goes_through_a_long_table_and_no_quiet_shops_page_through_a_busy_ones_rows(
    form: str, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", QUIET)  # as the log is to a long one, so are the bounds
    monkeypatch.setattr(keyset_pages, "SCAN_MAX", PART)
    problems = []
    for who, person in people.items():
        browser = sign_in(person)
        for page in PAGES:
            path = address(page, "busy" if who == "busy" else "quiet")
            for sql, found in plans(browser, path):
                walked = sum(read(node) for node in found if node["Node Type"] == "Seq Scan" and table_of(node) in LONG)
                # A window of the log may be one part or two, of the size that parts have here.
                if walked > (2 * PART if form == "in parts" else 0) and page != PREVIEW:
                    problems.append(f"{who} {page}: walks {walked} rows: {sql}")
                for node in found:
                    if "quiet" in who and table_of(node) in LONG and read(node) > 4 * QUIET:
                        problems.append(f"{who} {page}: reads {read(node)} rows of {table_of(node)}: {sql}")
    assert not problems, "\n".join(problems)
