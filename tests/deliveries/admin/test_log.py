from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from deliveries.admin import keyset_pages
from deliveries.models import Delivery, Event
from deliveries.review import search
from tests.support import api as rest
from tests.support.desk import Shop, add_attempt, add_delivery, make_shop, sign_in
from tests.support.factories import make_api_key, make_webhook

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"


def rows(browser: Client, query: str = "") -> list[Delivery]:
    return list(browser.get(LOG + query).context["cl"].result_list)


def test_the_log_has_alvas_columns_and_the_reasons_of_the_retries(shop: Shop, browser: Client) -> None:
    page = browser.get(LOG).content.decode()
    for column in ("Time", "Event", "Webhook", "HTTP status", "Response time", "Attempts"):
        assert column in page
    page = browser.get(reverse("admin:webhooks_deliveries_delivery_row", args=[shop.delivery.pk])).content.decode()
    for column in ("Event type", "Endpoint URL", "Retries"):
        assert column in page
    for column in ("Sent at", "Answered at", "What follows"):
        assert column in page
    assert "Your endpoint answered 503; next try in 5 s (attempt 2 of 4)." in page
    assert shop.webhook.url in page


def test_the_payload_opens_on_demand(shop: Shop, browser: Client) -> None:
    assert "aster-1045" not in browser.get(LOG).content.decode()
    address = reverse("admin:webhooks_deliveries_delivery_row", args=[shop.delivery.pk])
    assert "aster-1045" in browser.get(address).content.decode()
    stranger = sign_in(make_shop("borage").people["owner"])
    assert stranger.get(address).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?outcome=failed", {"dead", "retrying"}),
        ("?outcome=delivered", {"delivered"}),
        ("?event_type=order.paid", {"retrying"}),
        ("?answer=5", {"dead"}),
        ("?answer=none", {"retrying", "skipped"}),
        ("?error=response_timeout", {"retrying"}),
        ("?within=24h", {"delivered", "dead", "retrying", "skipped"}),
    ],
)
def test_filters(query: str, found: set[str], shop: Shop, browser: Client) -> None:
    add_attempt(add_delivery(shop.webhook))
    add_delivery(shop.webhook, status="retrying", event="order.paid", last_error="response_timeout", attempt_count=1)
    add_delivery(shop.webhook, status="skipped")
    assert {row.status for row in rows(browser, query)} == found


def test_the_endpoint_filter_offers_own_webhooks_only(shop: Shop, browser: Client) -> None:
    other = make_shop("borage")
    second = make_webhook(shop.merchant, name="second")
    add_delivery(second)
    page = browser.get(LOG).content.decode()
    assert "second" in page
    assert "borage" not in page
    assert {row.webhook_id for row in rows(browser, f"?webhook__id__exact={second.pk}")} == {second.pk}
    assert rows(browser, f"?webhook__id__exact={other.webhook.pk}") == []


def test_time_filters_leave_out_what_is_older(shop: Shop, browser: Client) -> None:
    old = timezone.now() - timedelta(days=2)
    older = add_delivery(shop.webhook, created_at=old)
    assert older in rows(browser, "?within=7d")
    assert older not in rows(browser, "?within=24h")
    day = f"{old:%Y-%m-%d}"
    span = f"?created_at_from_0={day}&created_at_from_1=00:00:00&created_at_to_0={day}&created_at_to_1=23:59:59"
    assert rows(browser, span) == [older]


@pytest.mark.parametrize("term", ["aster-1045", "aster-r", "EVENT", "DELIVERY", "number"])
def test_search_finds_by_ids_resource_and_text_of_the_payload(term: str, shop: Shop, browser: Client) -> None:
    add_delivery(shop.webhook, data={"order": {"id": "7"}})
    term = {"EVENT": shop.event.public_id, "DELIVERY": shop.delivery.public_id}.get(term, term)
    assert rows(browser, f"?q={term}") == [shop.delivery]


def test_search_finds_nothing_of_another_merchant(shop: Shop, browser: Client) -> None:
    other = make_shop("borage")
    for term in ("borage-1045", "borage-r", other.event.public_id, other.delivery.public_id):
        assert rows(browser, f"?q={term}") == []


@pytest.mark.parametrize("term", ["\x00", "%", "_", "'", "\\", "x" * 5000, "%F0%9F%90%9D"])
def test_strange_search_terms_find_nothing_and_break_nothing(term: str, browser: Client) -> None:
    assert browser.get(LOG, {"q": term}).status_code == 200


# --- paging -----------------------------------------------------------------------------------------------------


@pytest.fixture
def long_log(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    from deliveries.admin.delivery_log import DeliveryAdmin

    monkeypatch.setattr(DeliveryAdmin, "list_per_page", 5)
    made = [add_delivery(shop.webhook).pk for _ in range(16)]
    return [shop.delivery.pk, *made][::-1]


def walk(browser: Client, link: str, query: str = "?") -> list[list[int]]:
    pages, seen = [], set()
    while query and query not in seen:
        seen.add(query)
        changelist = browser.get(LOG + query).context["cl"]
        pages.append([row.pk for row in changelist.result_list])
        query = getattr(changelist, link)
    return pages


def test_older_pages_reach_every_row_once(long_log: list[int], browser: Client) -> None:
    pages = walk(browser, "next_url")
    assert [len(page) for page in pages] == [5, 5, 5, 2]
    assert [key for page in pages for key in page] == long_log


def test_newer_pages_lead_back(long_log: list[int], browser: Client) -> None:
    pages = walk(browser, "previous_url", f"?before={long_log[-1]}")
    assert [key for page in reversed(pages) for key in page] == long_log[:-1]


def test_a_rare_match_is_reached_by_going_on_and_each_page_reads_a_bounded_number_of_rows(
    long_log: list[int], browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset_pages, "SCAN_MAX", 4)
    Delivery.objects.filter(pk=long_log[-2]).update(status="cancelled")
    pages = walk(browser, "next_url", "?outcome=cancelled")
    assert pages[:3] == [[], [], []]
    assert [key for page in pages for key in page] == [long_log[-2]]
    assert "Looked through 4 rows" in browser.get(LOG + "?outcome=cancelled").content.decode()


@pytest.mark.parametrize("cursor_text", ["abc", "-1", "9" * 30, "", "٣"])
def test_a_malformed_cursor_shows_the_first_page(cursor_text: str, long_log: list[int], browser: Client) -> None:
    assert [row.pk for row in rows(browser, f"?after={cursor_text}")] == long_log[:5]


# --- cost -------------------------------------------------------------------------------------------------------

PAGES = [
    (LOG, 12),
    (LOG + "?outcome=failed&q=aster", 16),
    ("/admin/webhooks_deliveries/event/", 11),
    ("/admin/webhooks_deliveries/deadletter/", 13),
    ("/admin/webhooks_deliveries/attempt/", 11),
    ("/admin/webhooks_subscriptions/webhook/", 12),
    ("/admin/", 14),
]


@pytest.mark.parametrize(("page", "most"), PAGES)
def test_a_page_costs_a_bounded_number_of_queries_and_never_counts_the_log(
    page: str, most: int, shop: Shop, browser: Client
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get(page)
    for _ in range(12):
        delivery = add_delivery(shop.webhook, status="dead")
        add_attempt(delivery)
        add_attempt(delivery, status_code=500)
    with CaptureQueriesContext(connection) as many:
        browser.get(page)
    assert len(few) <= len(many) <= most, "\n".join(query["sql"] for query in many)
    for query in many:
        if "COUNT(" in query["sql"] and any(table in query["sql"] for table in ("_delivery", "_event", "_attempt")):
            assert "LIMIT" in query["sql"], query["sql"]


@pytest.mark.parametrize("page", ["webhooks_deliveries_delivery_change", "webhooks_deliveries_event_change"])
def test_a_rows_page_costs_a_bounded_number_of_queries(page: str, shop: Shop, browser: Client) -> None:
    key = shop.event.pk if "event" in page else shop.delivery.pk
    for number in range(10):
        add_attempt(shop.delivery, status_code=500)
        make_webhook(shop.merchant, name=f"extra {number}", events=["file.*"])
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(reverse(f"admin:{page}", args=[key])).status_code == 200
    assert len(queries) <= 15


# --- a delivery's page --------------------------------------------------------------------------------------------


def page_of(browser: Client, delivery: Delivery) -> Any:
    return browser.get(reverse("admin:webhooks_deliveries_delivery_change", args=[delivery.pk]))


def test_the_page_shows_each_attempt_with_request_answer_timings_and_advice(shop: Shop, browser: Client) -> None:
    page = page_of(browser, shop.delivery).content.decode()
    for text in ("Attempt 1", "HTTP 503", "webhook-id: evt_1", "Server: nginx", "sorry \\xff\\x00", "TLS 10 ms"):
        assert text in page
    assert "Your endpoint is overloaded or in maintenance." in page


def test_the_body_is_called_exact_only_if_its_digest_agrees(shop: Shop, browser: Client) -> None:
    assert page_of(browser, shop.delivery).context["attempts"][0]["body_is_exact"] is False
    assert "as it would be sent now" in page_of(browser, shop.delivery).content.decode()


def test_curl_masks_the_secret(shop: Shop, browser: Client) -> None:
    hook = make_webhook(shop.merchant, dialect="shopery", secret="a-very-secret-secret")
    delivery = add_delivery(hook)
    add_attempt(delivery, request_headers=json.dumps([["X-Shopery-Secret", "••••••"]]))
    text = page_of(browser, delivery).content.decode()
    assert "curl -X POST" in text
    assert "a-very-secret-secret" not in text


def test_sending_again_and_cancelling(shop: Shop, browser: Client) -> None:
    waiting = add_delivery(shop.webhook, status="retrying", due_at=timezone.now() + timedelta(hours=1))
    browser.post(reverse("admin:webhooks_deliveries_delivery_retry", args=[waiting.pk]))
    waiting.refresh_from_db()
    assert waiting.due_at is not None
    assert waiting.due_at <= timezone.now()
    browser.post(reverse("admin:webhooks_deliveries_delivery_cancel", args=[waiting.pk]))
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"


def test_what_is_being_sent_cannot_be_sent_again(shop: Shop, browser: Client) -> None:
    busy = add_delivery(shop.webhook, status="sending")
    answer = browser.post(reverse("admin:webhooks_deliveries_delivery_retry", args=[busy.pk]), follow=True)
    busy.refresh_from_db()
    assert busy.status == "sending"
    assert [str(message.level_tag) for message in answer.context["messages"]] == ["error"]


def test_searching_reads_the_newest_payloads_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAYLOADS_MAX", 1)
    add_delivery(shop.webhook, data={"order": {"id": "7"}})
    assert search.events(Event.objects.filter(merchant=shop.merchant), "aster-1045").keys == []


@pytest.mark.parametrize("word", [*Delivery.STATUS_GROUPS, *Delivery.Status.values])
def test_the_log_offers_the_words_that_the_api_selects_by_with_the_same_rows(
    word: str, shop: Shop, browser: Client
) -> None:
    for status in Delivery.Status.values:
        add_delivery(shop.webhook, status=status)
    shop.rows["rates"].delete()
    api = rest.Client(make_api_key(shop.merchant).text)

    page = browser.get(LOG, {"outcome": word})
    answer = api.get(f"/api/v1/deliveries?status={word}&limit=200").json()

    assert f'value="{word}"' in page.content.decode()
    assert [row.public_id for row in page.context["cl"].result_list] == [row["id"] for row in answer["results"]]
    if word == "undelivered":
        assert {row.status for row in page.context["cl"].result_list} == {*Delivery.Status.values} - {"delivered"}
        undelivered = api.get("/api/v1/undelivered?limit=200").json()["results"]
        assert [row["id"] for row in undelivered][::-1] == [row["id"] for row in answer["results"]]
