"""What stands above lists: chips of the filters in force, views of one's own, and the choice of columns."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client

from subscriptions.admin import list_tools
from subscriptions.models import SavedView
from tests.support.desk import Shop, sign_in
from tests.support.desk_fixtures import browser, shop

__all__ = ["browser", "shop"]

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"
WEBHOOKS = "/admin/webhooks_subscriptions/webhook/"


def tools(browser: Client, path: str) -> Any:
    return browser.get(path).context["list_tools"]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("", []),
        ("?outcome=", []),
        ("?outcome=failed", ["Outcome: Failed only"]),
        ("?outcome=dead&within=24h", ["Outcome: In review", "Time: Last 24 hours"]),
        ("?error=response_timeout", ["Error: No answer in time"]),
        ("?created_at_from_0=2026-01-02", ["Time (utc): from 2026-01-02"]),
        ("?created_at_to_0=2026-01-02&created_at_to_1=03:04", ["Time (utc): until 2026-01-02 03:04"]),
        ("?q=AS-7", ["Search: AS-7"]),
    ],
)
def test_each_filter_in_force_is_a_chip_in_words(query: str, texts: list[str], shop: Shop, browser: Client) -> None:
    assert [chip.text for chip in tools(browser, LOG + query)["chips"]] == texts


def test_a_webhook_stands_in_its_chip_by_its_name(shop: Shop, browser: Client) -> None:
    [chip] = tools(browser, f"{LOG}?webhook__id__exact={shop.webhook.pk}")["chips"]
    assert chip.text == "Webhook: aster hook"


def test_a_chip_leads_to_the_list_without_its_filter_and_from_its_start(shop: Shop, browser: Client) -> None:
    found = tools(browser, LOG + "?outcome=failed&within=24h&after=7")["chips"]
    assert [chip.without for chip in found] == ["?within=24h", "?outcome=failed"]


def test_a_view_is_saved_shown_and_deleted(shop: Shop, browser: Client) -> None:
    answer = browser.post(LOG + "views/", {"name": " My  failures ", "query": "outcome=failed&within=&after=9"})
    assert answer["Location"] == LOG + "?outcome=failed"
    page = browser.get(answer["Location"])
    [view] = [view for view in page.context["list_tools"]["views"] if view.key]
    assert (view.name, view.query, view.is_shown) == ("My failures", "outcome=failed", True)
    assert "Delete view “My failures”" in unescape(page.content.decode())
    browser.post(LOG + "views/", {"delete": view.key})
    assert not SavedView.objects.exists()


def test_a_view_belongs_to_who_saved_it(shop: Shop, browser: Client) -> None:
    browser.post(LOG + "views/", {"name": "mine", "query": "outcome=failed"})
    other = sign_in(shop.people["owner"])
    assert [view.name for view in tools(other, LOG)["views"] if view.key] == []
    other.post(LOG + "views/", {"delete": SavedView.objects.get().pk})
    assert SavedView.objects.get().name == "mine"


def test_a_view_saved_again_under_its_name_is_changed(shop: Shop, browser: Client) -> None:
    for query in ("outcome=failed", "outcome=dead"):
        browser.post(LOG + "views/", {"name": "mine", "query": query})
    assert SavedView.objects.get().query == "outcome=dead"


def test_views_have_a_name_and_an_end(shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_tools, "VIEWS_MAX", 1)
    for name in (" ", "one", "two", "x" * 500):
        browser.post(LOG + "views/", {"name": name, "query": "outcome=failed"})
    assert [view.name for view in SavedView.objects.all()] == ["one"]


@pytest.mark.parametrize("path", ["views/", "columns/"])
def test_nothing_changes_by_a_get_or_for_strangers(path: str, shop: Shop, browser: Client) -> None:
    assert browser.get(LOG + path).status_code == 405
    nobody = shop.people["viewer"]
    nobody.memberships.all().delete()
    assert sign_in(nobody).post(LOG + path, {"name": "x", "query": "outcome=failed"}).status_code == 403
    assert not SavedView.objects.exists()


def headings(browser: Client, path: str) -> list[str]:
    return list(browser.get(path).context["cl"].list_display)


def test_columns_are_chosen_and_the_usual_ones_come_back(shop: Shop, browser: Client) -> None:
    usual = headings(browser, LOG)
    answer = browser.post(LOG + "columns/", {"column": ["url", "answered", "merchant"], "query": "outcome=failed"})
    assert answer["Location"] == LOG + "?outcome=failed"
    assert headings(browser, LOG) == ["action_checkbox", "outcome", "kind", "url", "answered"]
    page = browser.get(LOG).content.decode()
    assert shop.webhook.url in page
    browser.post(LOG + "columns/", {"usual": "1"})
    assert headings(browser, LOG) == usual


def test_every_column_on_offer_can_be_shown(shop: Shop, browser: Client) -> None:
    for path in (LOG, WEBHOOKS, "/admin/webhooks_deliveries/deadletter/", "/admin/webhooks_deliveries/event/"):
        offered = [name for name, _heading, _is_shown in tools(browser, path)["columns"]]
        browser.post(path + "columns/", {"column": offered})
        assert set(offered) <= set(headings(browser, path))


@pytest.mark.parametrize("cookie", ["", ".", "nothing", "data.public_id", "x" * 3000])
def test_a_cookie_that_names_no_column_shows_what_must_be_there(cookie: str, shop: Shop, browser: Client) -> None:
    browser.cookies["desk_columns_delivery"] = cookie
    assert headings(browser, LOG)[:3] == ["action_checkbox", "outcome", "kind"]
