"""Filters of the admin that name nothing: no bulk decision and no export takes them for everything."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.admin import dead_letter_groups
from deliveries.models import DeadLetter, Delivery, Job
from tests.support.blanks import UNSEEN, name_of
from tests.support.desk import Shop, add_delivery, make_dead

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"
NARROWING = ("webhook", "error", "status_code", "until")


def address(what: str) -> str:
    return reverse("admin:webhooks_deliveries_deadletter_all", args=[what])


def jobs(shop: Shop) -> list[Job]:
    return list(Job.objects.filter(by=shop.people["developer"].username))


def is_untouched(shop: Shop) -> bool:
    shop.dead_letter.refresh_from_db()
    return not jobs(shop) and shop.dead_letter.resolved_at is None


@pytest.mark.parametrize("blank", ["", ",", *UNSEEN], ids=name_of)
def test_a_blank_filter_is_refused_before_anything_is_counted_or_done(shop: Shop, browser: Client, blank: str) -> None:
    for what in ("replay", "discard"):
        for name in NARROWING:
            chosen = {"error": "http_error", "all": "on", "note": "fixed"} | {name: blank}
            for answer in (browser.get(address(what), {name: blank}), browser.post(address(what), chosen)):
                assert answer.status_code == 422
                assert answer.context["blank"] == [name]
                assert f"names {name} without a value" in answer.content.decode()
    assert is_untouched(shop)


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_the_whole_queue_is_decided_only_where_that_is_checked(shop: Shop, browser: Client, what: str) -> None:
    page = browser.get(address(what))
    assert page.context["count"] == 1
    assert 'name="all" required' in page.content.decode()

    answer = browser.post(address(what), {"note": "fixed"})
    assert "Nothing was chosen" in answer.content.decode()
    assert is_untouched(shop)

    assert browser.post(address(what), {"note": "fixed", "all": "on"}).status_code == 302
    assert [(job.selection, job.done) for job in jobs(shop)] == [({"all": True}, 1)]


def test_the_forms_hidden_fields_hold_no_blank(shop: Shop, browser: Client) -> None:
    page = browser.get(address("discard"), {"webhook": shop.webhook.pk}).content.decode()

    assert f'type="hidden" name="webhook" value="{shop.webhook.pk}"' in page
    assert 'type="hidden" name="error"' not in page
    assert 'type="hidden" name="status_code"' not in page
    assert 'name="all"' not in page


def test_a_group_without_an_error_means_only_itself(shop: Shop, browser: Client) -> None:
    DeadLetter.objects.filter(pk=make_dead(add_delivery(shop.webhook)).pk).update(error="", status_code=None)
    groups = dead_letter_groups.groups(DeadLetter.objects.filter(resolved_at=None))
    assert sorted(group.count for group in groups) == [1, 1]

    for group in groups:
        assert browser.get(f"{address('discard')}?{group.query}").context["count"] == 1, group.query


def exported(browser: Client, query: Any) -> Any:
    answer = browser.get(f"{LOG}export/json/", query)
    return json.loads(b"".join(answer.streaming_content)) if answer.streaming else answer


FILTERS = (
    "outcome",
    "within",
    "webhook__id__exact",
    "event_type",
    "answer",
    "error",
    "created_at_from_0",
    "created_at_to_0",
    "merchant__id__exact",
    "q",
)


@pytest.mark.parametrize("blank", ["", ",", *UNSEEN], ids=name_of)
def test_an_export_with_a_blank_filter_is_refused_by_its_name(shop: Shop, browser: Client, blank: str) -> None:
    for name in FILTERS:
        answer = exported(browser, {name: blank})
        assert answer.status_code == 422
        assert f"names {name} without a value" in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", "lost"),
        ("outcome", "Dead"),
        ("outcome", "failed,dead"),
        ("within", "25h"),
        ("within", "24"),
        ("answer", "6"),
        ("answer", "500"),
        ("answer", "None"),
        ("event_type", "order.craeted"),
        ("error", "timed out"),
        ("created_at_from_0", "yesterday"),
        ("created_at_to_0", "2024-13-01"),
        ("q", "nothing-of-ours"),
    ],
)
def test_a_filter_that_makes_no_sense_lets_nothing_through(shop: Shop, browser: Client, name: str, value: str) -> None:
    if name == "q":
        assert exported(browser, {name: value}) == []
    else:
        assert exported(browser, {name: value}).status_code == 422
    assert browser.get(LOG, {name: value}).context["cl"].result_list == []


def test_the_logs_export_links_leave_out_what_its_forms_send_blank(shop: Shop, browser: Client) -> None:
    sent = {"q": "", "outcome": "failed", "created_at_from_0": "", "created_at_from_1": ""}
    page = browser.get(LOG, sent)

    assert page.context_data["export_query"] == "?outcome=failed"
    assert f"{LOG}export/csv/?outcome=failed" in page.content.decode()
    assert [row["id"] for row in exported(browser, {"outcome": "failed"})] == [shop.delivery.public_id]
    assert browser.get(LOG).context_data["export_query"] == "?all=true"
    assert browser.get(LOG, {"after": 5, "outcome": ""}).context_data["export_query"] == "?all=true"
    assert browser.get(LOG, {"after": 5, "q": "a"}).context_data["export_query"] == "?q=a"


@pytest.mark.parametrize(
    "query",
    ["", "?", "all", "all=", "all=%20", "all=1", "all=false", "all=TRUE", "all=all", "all=true&all=", "after=7",
     "before=1", "p=0", "o=1", "e=1", "_facets=1", "_popup=1", "_to_field=id", "after=7&before=1&p=2"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_of_everything_needs_its_own_word(shop: Shop, browser: Client, query: str, kind: str) -> None:
    answer = browser.get(f"{LOG}export/{kind}/?{query.lstrip('?')}")

    assert answer.status_code == 422
    assert answer.content.decode().startswith("Nothing was exported: ")
    assert "all" in answer.content.decode() or "without a value" in answer.content.decode()


@pytest.mark.parametrize(
    "query", ["all=true", "all=true&after=7&p=3", "q=aster", "all=true&outcome=dead", "within=30d"]
)
def test_an_export_that_says_what_it_means_is_made(shop: Shop, browser: Client, query: str) -> None:
    assert [row["id"] for row in exported(browser, dict(parse_qsl(query)))] == [shop.delivery.public_id]


def test_the_pages_own_links_export_what_the_page_shows(shop: Shop, browser: Client) -> None:
    for query in ("", "?outcome=dead", "?q=aster&outcome=", "?within=24h&after=&q="):
        page = browser.get(f"{LOG}{query}").content.decode()
        [link] = re.findall(r'href="([^"]*/export/json/[^"]*)"', page)
        answer = browser.get(html.unescape(link))
        assert answer.status_code == 200, link
        assert shop.delivery.public_id.encode() in b"".join(answer.streaming_content)


def test_what_is_only_invisible_finds_nothing(shop: Shop, browser: Client) -> None:
    assert browser.get(LOG, {"q": "\u200b"}).context["cl"].result_list == []
    assert Delivery.objects.filter(merchant=shop.merchant).exists()
