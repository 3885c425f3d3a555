"""Orders as they are at delivery time, for webhooks that ask for the freshest data (Shopery's document)."""

from __future__ import annotations

from typing import Any

from deliveries.sending.resolvers import resolver
from examples.storefront import payloads
from examples.storefront.models import Order, OrderLine


@resolver("order.created")
def order_now(merchant_id: int, resource_id: str) -> dict[str, Any] | None:
    """Return the data of `order.created` with the order as it is now; None when it is gone."""
    order = _order(merchant_id, resource_id)
    return None if order is None else {"order": payloads.order(order)}


@resolver("orders-created")
def shoperys_order_now(merchant_id: int, resource_id: str) -> dict[str, Any] | None:
    """Return the order as it is now in the shape of Shopery's `orders-created`; None when it is gone.

    Whoever publishes `orders-created` for an order of this shop gives its `ord_…` id as the `resource_id`.
    """
    order = _order(merchant_id, resource_id)
    if order is None:
        return None
    return {
        "id": order.public_id,
        "number": order.number,
        "status": order.financial_status,
        "created_at": payloads.when(order.placed_at or order.created_at),
        "updated_at": payloads.when(order.updated_at),
        "currency": order.currency,
        "total": payloads.money(order.total),
        "customer": payloads.customer(order.customer),
        "items": [_item(line) for line in order.lines.select_related("product")],
    }


def _order(merchant_id: int, resource_id: str) -> Order | None:
    return Order.objects.filter(merchant=merchant_id, public_id=resource_id).exclude(placed_at=None).first()


def _item(line: OrderLine) -> dict[str, Any]:
    return {
        "id": line.public_id,
        "product_id": line.product.public_id,
        "sku": line.product.public_id,  # this shop knows no other number of a product
        "name": line.title,
        "quantity": line.quantity,
        "unit_price": payloads.money(line.price),
        "total": payloads.money(line.price * line.quantity),
    }
