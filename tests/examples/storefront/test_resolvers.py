from __future__ import annotations

import pytest

from examples.storefront import resolvers
from examples.storefront.models import Order
from tests.examples.storefront.conftest import Shop, schemas


@pytest.mark.parametrize(
    ("event", "resolve"),
    [("order.created", resolvers.order_now), ("orders-created", resolvers.shoperys_order_now)],
)
def test_an_order_is_resolved_as_it_is_now(event: str, resolve, shop: Shop, other_shop: Shop) -> None:
    order = shop.order()
    Order.objects.update(financial_status="refunded", total="12.5")
    data = resolve(shop.merchant.pk, order.public_id)
    assert not [error.message for error in schemas()[event].iter_errors(data)]
    found = data.get("order", data)
    assert (found["id"], found["total"]) == (order.public_id, "12.50")
    assert "refunded" in {found.get("status"), found.get("financial_status")}

    assert resolve(other_shop.merchant.pk, order.public_id) is None
    assert resolve(shop.merchant.pk, "ord_none") is None
    Order.objects.update(placed_at=None)
    assert resolve(shop.merchant.pk, order.public_id) is None


def test_the_engine_asks_the_shop() -> None:
    from deliveries.sending.resolvers import _resolvers

    assert _resolvers["order.created"] is resolvers.order_now
    assert _resolvers["orders-created"] is resolvers.shoperys_order_now
