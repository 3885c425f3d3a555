"""The shop's counter: small orders and uploads by a click or a command, for who wants to see deliveries move.

Everything goes through the shop's services and models, whose signals publish; nothing here knows webhooks.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction

from examples.storefront import services
from examples.storefront.models import Customer, Download, File, Order, Product
from subscriptions.models import Merchant

GOODS: Final = (("Complete Course Bundle", "49.99"), ("Chapter One", "9.90"), ("Field Recordings", "19.00"))
"""What is sold where a shop has no products yet: title and price."""
EMAIL: Final = "customer@example.com"
CURRENCY: Final = "USD"
FIRST_NUMBER: Final = 1045


def goods(merchant: Merchant) -> list[Product]:
    """Return the shop's first products; a shop without any gets some, each with a file."""
    found = list(Product.objects.filter(merchant=merchant)[: len(GOODS)])
    if found:
        return found
    with transaction.atomic():
        for title, _price in GOODS:
            product = Product.objects.create(merchant=merchant, title=title)
            upload(merchant).products.add(product)
            found.append(product)
    return found


@transaction.atomic
def order(merchant: Merchant, product: Product | None = None) -> Order:
    """Place an order of one product and return it."""
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)  # numbers are given out one after the other
    product = product or goods(merchant)[0]
    customer, _made = Customer.objects.get_or_create(
        merchant=merchant, email=EMAIL, defaults={"first_name": "John", "last_name": "Smith"}
    )
    price = Decimal(dict(GOODS).get(product.title, "12.00"))
    return services.place_order(
        customer=customer, number=_next_number(merchant), items=[services.Item(product, price)], currency=CURRENCY
    )


def pay(order: Order) -> None:
    """Take the money. Raises ValidationError where it was taken already."""
    if order.financial_status != Order.FinancialStatus.PENDING:
        raise ValidationError(f"Order {order.number} is {order.financial_status.replace('_', ' ')} already.")
    order.financial_status = Order.FinancialStatus.PAID
    order.save()


def fulfil(order: Order) -> None:
    """Hand out the links of what was bought."""
    services.fulfill_order(order=order)


def refund(order: Order) -> None:
    """Give all the money back. Raises ValidationError where there is none to give back."""
    services.refund_order(order=order, reason="Changed their mind")


def download(order: Order) -> None:
    """Use one of the order's links, as its customer would. Raises ValidationError where none works."""
    link = Download.objects.filter(order=order, revoked_at=None, expired_at=None).first()
    if link is None:
        raise ValidationError(f"Order {order.number} has no link that works. Fulfil it first.")
    refusal = services.access_download(token=link.token, ip_address="192.0.2.1", user_agent="the shop's page").refusal
    if refusal:
        raise ValidationError(refusal)


def upload(merchant: Merchant) -> File:
    """Add a file to the library and return it."""
    name = f"Chapter-{secrets.token_hex(3)}.pdf"
    return File.objects.create(merchant=merchant, filename=name, size=2_500_000, tags=["course"])


STEPS: Final[dict[str, tuple[str, Callable[[Order], None]]]] = {
    "pay": ("Pay", pay),
    "fulfil": ("Fulfil", fulfil),
    "download": ("Download", download),
    "refund": ("Refund", refund),
}
"""What can be done with an order: word of the form → the button's text, and what it does."""


def steps_of(order: Order) -> list[str]:
    """Return the words of the steps that make sense for an order now."""
    is_paid = order.financial_status in {Order.FinancialStatus.PAID, Order.FinancialStatus.PARTIALLY_REFUNDED}
    is_fulfilled = order.fulfillment == Order.Fulfillment.FULFILLED
    possible = {
        "pay": order.financial_status == Order.FinancialStatus.PENDING,
        "fulfil": is_paid and not is_fulfilled,
        "download": is_paid and is_fulfilled,
        "refund": is_paid,
    }
    return [word for word in STEPS if possible[word]]


def _next_number(merchant: Merchant) -> str:
    numbers = Order.objects.filter(merchant=merchant).order_by("-id").values_list("number", flat=True)[:200]
    return str(max((int(one) for one in numbers if one.isdecimal() and len(one) < 10), default=FIRST_NUMBER - 1) + 1)
