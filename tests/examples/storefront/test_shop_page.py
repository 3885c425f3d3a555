"""The shop's page and command: an order by a click, and what follows beside it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from deliveries.models import Event
from examples.storefront import counter
from examples.storefront.models import Order
from subscriptions.models import Merchant
from tests.support.desk import sign_in
from tests.support.factories import make_member, make_merchant, make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant() -> Merchant:
    return make_merchant("aster")


@pytest.fixture
def browser(merchant: Merchant) -> Client:
    return sign_in(make_member(merchant, "developer"))


def press(browser: Client, do: str, of: Any = "") -> Any:
    return browser.post(reverse("shop"), {"do": do, "of": of}, follow=True)


def names() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("type", flat=True))


def test_an_order_is_placed_paid_fulfilled_downloaded_and_refunded_by_clicks(
    merchant: Merchant, browser: Client
) -> None:
    make_webhook(merchant, name="Bookkeeping")
    browser.get(reverse("shop"))
    Event.objects.all().delete()
    page = press(browser, "order")
    order = Order.objects.get()
    for step in ("pay", "fulfil", "download", "refund"):
        assert step in [word for word, _label in page.context["orders"][0][1]]
        page = press(browser, step, order.pk)
    assert {"order.created", "order.paid", "order.fulfilled", "download.created", "download.accessed"} <= set(names())
    assert names()[-2:] == ["order.refunded", "download.revoked"]
    text = page.content.decode()
    assert "Bookkeeping" in text
    assert "order.refunded" in text


def test_an_upload_is_an_event(browser: Client) -> None:
    browser.get(reverse("shop"))
    Event.objects.all().delete()
    press(browser, "upload")
    assert names() == ["file.uploaded"]


def test_orders_have_numbers_one_after_the_other(merchant: Merchant) -> None:
    assert [counter.order(merchant).number for _ in range(3)] == ["1045", "1046", "1047"]


@pytest.mark.parametrize(("do", "of"), [("pay", "x"), ("pay", "9" * 30), ("burn", "1"), ("", ""), ("refund", "-1")])
def test_what_makes_no_sense_does_nothing_and_says_so(do: str, of: str, browser: Client) -> None:
    assert "There is no such order" in press(browser, do, of).content.decode()


@pytest.mark.parametrize("step", ["fulfil", "download", "refund"])
def test_a_step_too_early_is_refused_in_words(step: str, merchant: Merchant, browser: Client) -> None:
    order = counter.order(merchant)
    before = names()
    page = press(browser, step, order.pk)
    if step != "fulfil":
        assert [str(message.level_tag) for message in page.context["messages"]] == ["error"]
        assert names() == before


def test_nobody_orders_in_anothers_shop(merchant: Merchant, browser: Client) -> None:
    foreign = counter.order(make_merchant("borage"))
    press(browser, "pay", foreign.pk)
    foreign.refresh_from_db()
    assert foreign.financial_status == Order.FinancialStatus.PENDING


def test_a_viewer_and_a_stranger_get_no_shop(merchant: Merchant) -> None:
    assert sign_in(make_member(merchant, "viewer")).get(reverse("shop")).status_code == 403
    assert Client().get(reverse("shop")).status_code == 302


def test_the_command_places_an_order_and_takes_it_on(merchant: Merchant) -> None:
    said = StringIO()
    call_command("place_order", "--merchant", merchant.public_id, "--pay", "--fulfil", stdout=said)
    order = Order.objects.get()
    assert (order.financial_status, order.fulfillment) == ("paid", "fulfilled")
    assert said.getvalue() == "Order 1045 is placed, paid, fulfilled.\n"


def test_the_command_says_what_is_wrong(merchant: Merchant) -> None:
    with pytest.raises(CommandError, match="no merchant mch_x"):
        call_command("place_order", "--merchant", "mch_x")
    with pytest.raises(CommandError, match="Only paid orders are refunded"):
        call_command("place_order", "--merchant", merchant.public_id, "--refund")
