"""Orders over the API, beside the command and the page: three ways to the same events."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Event
from examples.storefront import counter
from examples.storefront.models import Order
from tests.examples.storefront.conftest import Shop
from tests.support.api import Client, attrs
from tests.support.factories import make_api_key

ORDERS = "/api/orders"


def names() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("type", flat=True))


def test_an_order_is_placed(api: Client, shop: Shop) -> None:
    answer = api.post(ORDERS, {"product_id": shop.product.public_id})
    assert answer.status_code == 201
    assert answer.json() == {
        "id": Order.objects.get().public_id,
        "number": "1045",
        "total": "49.99",
        "currency": "USD",
        "financial_status": "pending",
        "fulfillment": "unfulfilled",
    }
    assert names()[-1] == "order.created"


def test_an_order_goes_through_all_its_steps(api: Client, shop: Shop) -> None:
    answer = api.post(ORDERS, {"steps": list(counter.STEPS)})
    assert answer.status_code == 201, answer.content
    assert (answer.json()["financial_status"], answer.json()["fulfillment"]) == ("refunded", "fulfilled")
    wanted = {"order.created", "order.paid", "order.fulfilled", "download.created", "download.accessed"}
    assert wanted <= set(names())
    assert names()[-2:] == ["order.refunded", "download.revoked"]


def test_without_a_product_it_is_the_shops_first(api: Client, shop: Shop) -> None:
    assert api.post(ORDERS, {}).status_code == 201
    assert Order.objects.get().lines.get().product == shop.product


@pytest.mark.parametrize(
    "steps", [["fulfil"], ["refund"], ["download"], ["pay", "pay"], ["pay", "download"], ["burn"], ["pay", "burn"]]
)
def test_a_step_that_makes_no_sense_stores_nothing(steps: list[str], api: Client, shop: Shop) -> None:
    answer = api.post(ORDERS, {"steps": steps})
    assert (answer.status_code, list(attrs(answer))) == (422, ["steps"])
    assert (names(), Order.objects.count()) == ([], 0)


def test_another_shops_product_is_none(api: Client, other_shop: Shop) -> None:
    answer = api.post(ORDERS, {"product_id": other_shop.product.public_id})
    assert (answer.status_code, list(attrs(answer))) == (422, ["product_id"])


def test_a_key_that_may_only_read_places_none(shop: Shop) -> None:
    reader: Any = Client(make_api_key(shop.merchant, scopes=["read"]).text)
    assert reader.post(ORDERS, {}).status_code == 403
    assert not Order.objects.exists()
