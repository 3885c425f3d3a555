"""One zone a page, UTC: what is shown, filtered and told, whatever the project's own zone is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from deliveries.models import Delivery, Event
from subscriptions.models import Merchant
from tests.support.api import Client as ApiClient
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_api_key

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 3, 4, 23, 30, 15, tzinfo=UTC)
ZONES = ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati"]


@pytest.fixture
def shop() -> Shop:
    shop = make_shop("aster")
    Delivery.objects.filter(pk=shop.delivery.pk).update(created_at=MOMENT, last_attempt_at=MOMENT)
    Event.objects.filter(pk=shop.event.pk).update(created_at=MOMENT, occurred_at=MOMENT)
    return shop


def listed(browser: Client, **query: str) -> Any:
    return browser.get(reverse("admin:webhooks_deliveries_delivery_changelist"), query)


@pytest.mark.parametrize("zone", ZONES)
def test_the_log_shows_utc_and_says_so_whatever_the_projects_zone(shop: Shop, zone: str) -> None:
    with override_settings(TIME_ZONE=zone), timezone.override(zone):
        page = listed(sign_in(shop.people["developer"])).content.decode()
    assert "<span>23:30:15</span><small>4 Mar 2026</small></time>" in page
    assert "Time, UTC" in page
    assert "time (UTC)" in page


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("23:30:15", "23:30:16", 1),
        ("23:30:16", "", 0),
        ("23:30:14", "23:30:15", 0),
        ("00:00:00", "23:59:59", 1),
        ("", "23:30:15", 0),
    ],
)
def test_the_log_filters_by_the_times_it_shows(shop: Shop, zone: str, start: str, end: str, found: int) -> None:
    query = {}
    if start:
        query |= {"created_at_from_0": "2026-03-04", "created_at_from_1": start}
    if end:
        query |= {"created_at_to_0": "2026-03-04", "created_at_to_1": end}
    with override_settings(TIME_ZONE=zone), timezone.override(zone):
        page = listed(sign_in(shop.people["developer"]), **query)
    assert [row.pk for row in page.context["cl"].result_list].count(shop.delivery.pk) == found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("page", ["delivery_change", "event_change"])
def test_every_moment_of_a_page_is_utc_and_named(shop: Shop, page: str, zone: str) -> None:
    row = {"delivery_change": shop.delivery, "event_change": shop.event}[page]
    with override_settings(TIME_ZONE=zone), timezone.override(zone):
        browser = sign_in(shop.people["developer"])
        text = browser.get(reverse(f"admin:webhooks_deliveries_{page}", args=[row.pk]), follow=True).content.decode()
    moments = re.findall(r'<time datetime="([^"]+)" data-desk="moment">([^<]*)</time>', text)
    assert moments
    for machine, people in moments:
        assert people.endswith(" UTC")
        at = datetime.fromisoformat(machine)
        assert at.utcoffset() == timedelta(0)
        assert people == f"{at:%-d %b %Y, %H:%M:%S} UTC"


@pytest.mark.parametrize("microsecond", [0, 1, 10, 100, 1000, 10_000, 100_000, 500_000, 999_999, 123_456])
def test_the_apis_times_have_one_width(shop: Shop, microsecond: int) -> None:
    merchant: Merchant = shop.merchant
    moment = MOMENT.replace(microsecond=microsecond)
    Event.objects.filter(pk=shop.event.pk).update(created_at=moment, occurred_at=moment)
    answer = ApiClient(make_api_key(merchant).text).get(f"/api/v1/events/{shop.event.public_id}").json()
    assert answer["occurred_at"] == answer["created_at"] == f"2026-03-04T23:30:15.{microsecond:06}Z"


def test_the_form_of_a_key_names_the_zone_of_its_end(shop: Shop) -> None:
    page = sign_in(shop.people["owner"]).get(reverse("admin:webhooks_subscriptions_apikey_add")).content.decode()
    assert "Expires at (UTC)" in page
