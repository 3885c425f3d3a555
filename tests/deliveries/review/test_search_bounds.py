"""What a search by text doesn't look at is never passed over in silence: lists, files, pages, bulk requests say so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from deliveries.models import Delivery, Event, Job
from deliveries.publishing import publish_many
from deliveries.review import bulk_jobs, search, selection
from subscriptions.models import Membership
from tests.support import api as rest
from tests.support.api import attrs
from tests.support.delivery_log import close
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.desk_fixtures import browser, shop
from tests.support.factories import make_api_key

__all__ = ["browser", "shop"]

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"
NOON = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)
COUNT = 10
"""Events that hold the needle, one a minute from NOON on; each is its own delivery's."""


@pytest.fixture
def api(shop: Shop) -> rest.Client:
    shop.rows["rates"].delete()
    return rest.Client(make_api_key(shop.merchant).text)


@pytest.fixture
def needles(shop: Shop) -> list[str]:
    """Ids of the deliveries, the oldest first; what the shop had before is older than all."""
    Event.objects.filter(merchant=shop.merchant).update(created_at=NOON - timedelta(days=1))
    Delivery.objects.filter(merchant=shop.merchant).update(created_at=NOON - timedelta(days=1))
    publish_many(
        [{"event": "order.created", "data": {"note": f"needle {n}"}, "id": f"n{n}"} for n in range(COUNT)],
        merchant=shop.merchant,
    )
    found = []
    for delivery in Delivery.objects.filter(event__public_id__startswith="n").order_by("pk"):
        at = NOON + timedelta(minutes=len(found))
        Delivery.objects.filter(pk=delivery.pk).update(created_at=at)
        Event.objects.filter(pk=delivery.event_id).update(created_at=at)
        found.append(delivery.public_id)
    return found


def at(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def listed(api: rest.Client, **query: str) -> tuple[list[str], str | None]:
    answer = api.get(f"/api/v1/deliveries?{urlencode({'search': 'needle', 'limit': '200', **query})}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]][::-1], answer.headers.get("Search-Reached")


def walked(api: rest.Client, **query: str) -> tuple[list[str], int]:
    """Follow Search-Reached to the end; return everything found, the oldest first, and how many lists that took."""
    found, reached = listed(api, **query)
    lists = 1
    while reached:
        more, reached = listed(api, **query | {"until": reached})
        found, lists = more + found, lists + 1
        assert lists < 50
    return found, lists


@pytest.mark.parametrize("payloads", [1, 2, 3, 4, 5, 7, 9, 10, 11, 100])
def test_whoever_follows_what_a_list_reached_finds_everything(
    api: rest.Client, needles: list[str], payloads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", payloads)
    found, lists = walked(api)
    assert found == needles
    assert (lists == 1) == (payloads > COUNT)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 9, 10, 11, 100])
def test_so_it_is_where_more_match_than_a_search_finds(
    api: rest.Client, needles: list[str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FOUND_MAX", most)
    found, lists = walked(api)
    assert found == needles
    assert (lists == 1) == (most >= COUNT)


def test_events_of_one_moment_are_not_torn_apart(
    api: rest.Client, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Event.objects.filter(public_id__in=["n4", "n5", "n6"]).update(created_at=NOON + timedelta(minutes=5))
    Delivery.objects.filter(public_id__in=needles[4:7]).update(created_at=NOON + timedelta(minutes=5))
    for payloads in range(4, 9):
        monkeypatch.setattr(search, "PAYLOADS_MAX", payloads)
        assert walked(api)[0] == needles, payloads


def test_a_search_between_two_moments_reads_what_lies_there(
    api: rest.Client, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", 3)
    assert listed(api, since=at(2), until=at(5)) == (needles[2:5], None)
    assert listed(api, created_at_min=at(7)) == (needles[7:], None)
    assert listed(api, since=at(1), created_at_min=at(7)) == (needles[7:], None)
    assert listed(api, since=at(6)) == (needles[7:], at(6).replace("00Z", "00.000001Z"))


def test_ids_are_found_however_old(api: rest.Client, needles: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", 1)
    assert listed(api, search="n0")[0] == [needles[0]]
    assert listed(api, search=needles[0])[0] == [needles[0]]


@pytest.mark.parametrize(
    ("name", "most"), [("PAYLOADS_MAX", 3), ("PAYLOADS_MAX", 9), ("FOUND_MAX", 1), ("FOUND_MAX", 9)]
)
@pytest.mark.parametrize("extra", [{}, {"dry_run": True}])
def test_a_bulk_request_by_a_search_that_stopped_early_is_refused(
    api: rest.Client, needles: list[str], name: str, most: int, extra: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, name, most)
    jobs = Job.objects.count()
    answer = api.post("/api/v1/deliveries/replay", {"search": "needle", "status": "undelivered"} | extra)
    assert answer.status_code == 422, answer.content
    assert list(attrs(answer)) == ["search"]
    assert "stopped early" in attrs(answer)["search"]
    assert Job.objects.count() == jobs


def test_the_moment_that_the_refusal_names_makes_it_whole(
    api: rest.Client, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", 4)
    for delivery in Delivery.objects.filter(public_id__in=needles):
        close(delivery, "dead")
    refusal = attrs(api.post("/api/v1/deliveries/replay", {"search": "needle"}))["search"]
    since = refusal.split("published before ")[1].split(" ")[0]
    answer = api.post("/api/v1/deliveries/replay", {"search": "needle", "since": since})
    assert (answer.status_code, answer.json()["count"]) == (200, 4)
    assert set(Delivery.objects.filter(status="retrying").values_list("public_id", flat=True)) >= set(needles[6:])


def test_a_job_by_a_search_goes_on_though_events_come_and_names_go(
    api: rest.Client, shop: Shop, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", COUNT + 5)
    for delivery in Delivery.objects.filter(public_id__in=needles):
        close(delivery, "dead")
    chosen = {"search": "needle", "status": "dead"}
    job = bulk_jobs.start(shop.merchant, kind="replay", source="deliveries", chosen=chosen, by="test", note="", rate=1)
    stored = selection.rows(shop.merchant, "deliveries", chosen | {"status": "undelivered"}, until_row=job.last)
    publish_many([{"event": "order.created", "data": {"note": n}} for n in range(50)], merchant=shop.merchant)
    assert {row.public_id for row in stored} >= set(needles) - {needles[0]}
    again = selection.rows(shop.merchant, "deliveries", chosen | {"status": "undelivered"}, until_row=job.last)
    assert {row.public_id for row in again} == {row.public_id for row in stored}
    gone = {"event": "evt_purged_since", "status": "dead"}
    assert not selection.rows(shop.merchant, "deliveries", gone, until_row=job.last).exists()


def test_the_log_and_its_files_say_so_too(
    shop: Shop, browser: Client, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = browser.get(LOG, {"q": "needle"})
    assert "The search stopped early" not in whole.content.decode()
    monkeypatch.setattr(search, "PAYLOADS_MAX", 3)
    page = browser.get(LOG, {"q": "needle"})
    assert [row.public_id for row in page.context["cl"].result_list] == needles[:-4:-1]
    assert "The search stopped early: text of what was published before" in unescape(page.content.decode())
    assert "15 Jan 2024, 12:06:00 UTC" in page.content.decode()
    events = browser.get("/admin/webhooks_deliveries/event/", {"q": "needle"}).content.decode()
    assert "The search stopped early" in events
    for kind in ("csv", "json"):
        text = b"".join(browser.get(f"{LOG}export/{kind}/", {"q": "needle"}).streaming_content).decode()
        last = json.loads(text)[-1]["created_at"] if kind == "json" else text.splitlines()[-1]
        assert last.strip('",').startswith("The search stopped early: ")
        assert sum(one in text for one in needles) == 3


def test_whoever_sees_several_merchants_is_told_as_well(
    shop: Shop, needles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = shop.people["viewer"]
    Membership.objects.create(user=person, merchant=make_shop("borage").merchant, role="viewer")
    monkeypatch.setattr(search, "PAYLOADS_MAX", 6)
    page = sign_in(person).get(LOG, {"q": "needle"})
    assert [row.public_id for row in page.context["cl"].result_list] == needles[:-4:-1]
    assert "The search stopped early" in page.content.decode()
