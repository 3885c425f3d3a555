"""Pages that stay open: what they ask costs two queries, and nobody is answered who would not see the page itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bench import log_rows
from deliveries.admin import live, live_log
from deliveries.models import Delivery
from subscriptions.models import Membership, Merchant
from tests.deliveries.admin.test_plans import LONG, plans, read
from tests.support.desk import Shop, add_delivery, make_dead, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"


def opened(browser: Client, path: str = LOG) -> dict[str, Any]:
    """Open a page and return what it tells its script."""
    context: dict[str, Any] = browser.get(path).context["live"]
    return context


def ask(browser: Client, page: dict[str, Any], **more: Any) -> Any:
    query = {"t": page["ticket"], **{name: page[name] for name in ("open", "newest") if name in page}, **more}
    return browser.get(page["url"], query)


def test_a_list_grows_by_what_came_and_shows_what_became_of_open_deliveries(shop: Shop, browser: Client) -> None:
    waiting = add_delivery(shop.webhook, status="retrying")
    page = opened(browser)
    new = add_delivery(shop.webhook, status="pending")
    Delivery.objects.filter(pk=waiting.pk).update(status="delivered", due_at=None, last_status_code=204)
    rows = {row["id"]: row for row in ask(browser, page).json()["rows"]}
    assert set(rows) == {waiting.pk, new.pk}
    assert "Delivered" in rows[waiting.pk]["cells"]["outcome"]
    assert "204" in rows[waiting.pk]["cells"]["http"]
    assert [rows[key]["is_open"] for key in (waiting.pk, new.pk)] == [False, True]


def test_the_cells_are_those_of_the_list(shop: Shop, browser: Client) -> None:
    waiting = add_delivery(shop.webhook, status="retrying")
    answer = browser.get(LOG)
    [row] = ask(browser, answer.context["live"]).json()["rows"]
    text = "".join(answer.content.decode().split())
    assert row["id"] == waiting.pk
    for name, html in row["cells"].items():
        assert "".join(html.split()) in text, name


def test_text_of_others_is_no_markup(shop: Shop, browser: Client) -> None:
    shop.webhook.name = "<b>bold</b>"
    shop.webhook.save()
    add_delivery(shop.webhook, status="retrying")
    [row] = ask(browser, opened(browser)).json()["rows"]
    assert "<b>bold" not in row["cells"]["endpoint"]


@pytest.mark.parametrize("query", ["?outcome=failed", "?q=aster", "?after=1", "?before=1"])
def test_a_filtered_list_or_a_later_page_does_not_grow(query: str, shop: Shop, browser: Client) -> None:
    page = opened(browser, LOG + query)
    add_delivery(shop.webhook, status="pending")
    assert page["newest"] == ""
    assert ask(browser, page, open="").json()["rows"] == []


def test_a_refresh_costs_two_queries_however_much_came(shop: Shop, browser: Client) -> None:
    for _ in range(5):
        add_delivery(shop.webhook, status="retrying")
    page = opened(browser)
    for _ in range(20):
        add_delivery(shop.webhook, status="pending")
    with CaptureQueriesContext(connection) as queries:
        assert len(ask(browser, page).json()["rows"]) == 25
    assert len(queries) == 2, "\n".join(query["sql"] for query in queries)


@pytest.mark.parametrize("page", ["delivery", "queue"])
def test_other_pages_cost_two_queries_too_and_tell_when_they_changed(page: str, shop: Shop, browser: Client) -> None:
    path = (
        reverse("admin:webhooks_deliveries_delivery_change", args=[shop.delivery.pk])
        if page == "delivery"
        else "/admin/webhooks_deliveries/deadletter/"
    )
    told = opened(browser, path)
    with CaptureQueriesContext(connection) as queries:
        assert ask(browser, told).json()["stamp"] == told["stamp"]
    assert len(queries) == 2
    if page == "delivery":
        Delivery.objects.filter(pk=shop.delivery.pk).update(attempt_count=7)
    else:
        make_dead(add_delivery(shop.webhook))
    assert ask(browser, told).json()["stamp"] != told["stamp"]


def test_a_refresh_of_a_long_log_goes_by_indexes(shop: Shop, browser: Client) -> None:
    """Both what is followed and what is new: of an OR of the two PostgreSQL went through all that was older."""
    log_rows.load(shop.merchant, 20_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    newest = Delivery.objects.latest("pk").pk
    old = " ".join(map(str, Delivery.objects.order_by("pk").values_list("pk", flat=True)[:10]))
    for query in ({"open": old, "newest": newest}, {"open": old, "newest": ""}, {"open": "", "newest": newest - 3}):
        page = opened(browser)
        path = f"{page['url']}?{urlencode({'t': page['ticket'], **query})}"
        for node in (node for _sql, found in plans(browser, path) for node in found):
            assert node["Node Type"] != "Seq Scan" or node.get("Relation Name") not in LONG
            assert node.get("Relation Name") != "webhooks_deliveries_delivery" or read(node) < 200, node


def test_a_refresh_is_bounded(shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "NEW_MAX", 3)
    page = opened(browser)
    for _ in range(6):
        add_delivery(shop.webhook, status="pending")
    assert len(ask(browser, page, open="").json()["rows"]) == 3
    assert ask(browser, page, open="x 1e9 -1 " + "9" * 30, newest="٣").json()["rows"] == []


# --- who is answered ------------------------------------------------------------------------------------------------


def signed_out(shop: Shop, browser: Client) -> None:
    browser.logout()


def session_ended(shop: Shop, browser: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def password_changed(shop: Shop, browser: Client) -> None:
    person = shop.people["developer"]
    person.set_password("another")
    person.save()


def shut_out(shop: Shop, browser: Client) -> None:
    type(shop.people["developer"]).objects.filter(pk=shop.people["developer"].pk).update(is_active=False)


@pytest.mark.parametrize("end", [signed_out, session_ended, password_changed, shut_out])
def test_who_is_signed_out_is_answered_no_more(
    end: Callable[[Shop, Client], None], shop: Shop, browser: Client
) -> None:
    page = opened(browser)
    end(shop, browser)
    answer = ask(browser, page)
    assert (answer.status_code, answer.json()) == (403, {"told": "You are signed out. Reload the page."})


def test_who_left_the_merchant_gets_no_row_more(shop: Shop, browser: Client) -> None:
    page = opened(browser)
    add_delivery(shop.webhook, status="pending")
    Membership.objects.filter(user=shop.people["developer"]).delete()
    answer = ask(browser, page)
    assert answer.status_code == 403 or answer.json()["rows"] == []


@pytest.mark.parametrize(
    "ticket", ["", "x", "a:b:c", signing.dumps([1, "a", "b"], salt="other")], ids=["none", "word", "colons", "signed"]
)
def test_a_ticket_of_ones_own_making_opens_nothing(ticket: str, shop: Shop, browser: Client) -> None:
    assert ask(browser, opened(browser), t=ticket).status_code == 403


def test_another_persons_ticket_opens_nothing(shop: Shop, browser: Client) -> None:
    page, stranger = opened(browser), sign_in(make_shop("borage").people["owner"])
    assert ask(stranger, page).status_code == 403


def test_a_page_that_stays_open_for_days_asks_to_be_reloaded(
    shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(browser)
    monkeypatch.setattr(live, "TICKET_LIFE", -1)
    assert ask(browser, page).status_code == 403


def test_nobody_follows_another_merchants_deliveries(shop: Shop, browser: Client) -> None:
    other = make_shop("borage")
    page = opened(browser)
    assert ask(browser, page, open=str(other.delivery.pk), newest="0").json()["rows"][0]["id"] == shop.delivery.pk
    foreign = page | {"url": reverse("admin:webhooks_deliveries_delivery_live_page", args=[other.delivery.pk])}
    assert ask(browser, foreign).json()["stamp"] == ""


def test_staff_follow_everybodys(shop: Shop) -> None:
    make_shop("borage")
    staff = sign_in(make_user(is_superuser=True))
    assert Merchant.objects.count() == 2
    page = opened(staff)
    assert len(ask(staff, page, open="", newest="0").json()["rows"]) == 2


def test_a_page_shows_nothing_that_its_session_could_be_used_with(shop: Shop, browser: Client) -> None:
    """A script may read the page, and proxies log its address; the cookie is for neither."""
    session = browser.session.session_key
    page = opened(browser)
    told = signing.loads(page["ticket"], salt=live._SALT)
    assert session not in json.dumps(told)
    assert session not in browser.get(LOG).content.decode()
