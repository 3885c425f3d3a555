"""What the shop does that takes more than one save: placing, fulfilling and refunding orders, and download links.

Whatever is one save needs no service: `order.financial_status = "paid"; order.save()` publishes `order.paid`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from examples.storefront.models import Customer, Download, File, Order, OrderLine, Product, Refund
from subscriptions.models import Merchant

ORDER_LINK_DAYS: Final = 60
ORDER_LINK_LIMIT: Final = 5
"""Links that an order gets are good for so many days and downloads, as in the document's example."""
EXPIRED_AT_ONCE: Final = 500
"""Links that one transaction of `expire_downloads` closes."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an order to be placed. `price` is that of one."""

    product: Product
    price: Decimal
    quantity: int = 1


@transaction.atomic
def place_order(
    *,
    customer: Customer,
    number: str,
    items: Iterable[Item],
    currency: str,
    financial_status: str = Order.FinancialStatus.PENDING,
) -> Order:
    """Place an order and return it. Publishes `order.created`, and what its status says beside.

    Raises:
        ValidationError: With the field and the fix; nothing is stored.
    """
    items = list(items)
    if not items:
        raise ValidationError({"items": ["An order has at least one line."]})
    total = sum((item.price * item.quantity for item in items), Decimal(0))
    order = Order(
        merchant=customer.merchant,
        customer=customer,
        number=number,
        currency=currency,
        total=total,
        financial_status=financial_status,
    )
    order.full_clean()
    order.save()
    for item in items:
        order.refuse_foreign(items=item.product)
        line = OrderLine(
            order=order, product=item.product, title=item.product.title, price=item.price, quantity=item.quantity
        )
        line.full_clean(exclude=["order", "product"])
        line.save()
    order.placed_at = timezone.now()
    order.save()
    return order


@transaction.atomic
def fulfill_order(*, order: Order, site: str = "") -> list[Download]:
    """Make a link for each file of the order and mark it fulfilled. An order that is fulfilled keeps its links."""
    order = _locked(order)
    if order.placed_at is None:
        raise ValidationError({"order": ["This is still a basket. Place it first."]})
    if order.fulfillment == Order.Fulfillment.FULFILLED:
        return list(order.downloads.order_by("id"))
    expires_at = timezone.now() + timedelta(days=ORDER_LINK_DAYS)
    links = [
        Download.objects.create(
            merchant=order.merchant,
            order=order,
            file=file,
            site=site,
            customer_email=order.customer.email,
            limit=ORDER_LINK_LIMIT,
            expires_at=expires_at,
        )
        for file in File.objects.filter(products__in=order.lines.values("product")).distinct()
    ]
    order.fulfillment = Order.Fulfillment.FULFILLED
    order.save()
    return links


@transaction.atomic
def refund_order(*, order: Order, amount: Decimal | None = None, reason: str = "", by: str = "") -> Refund:
    """Give back `amount`, or all that is left of an order. What is refunded in full loses its links.

    Raises:
        ValidationError: When the order isn't paid, or there is less left to give back.
    """
    order = _locked(order)
    left = order.total - (order.refunds.aggregate(given=Sum("amount"))["given"] or Decimal(0))
    amount = left if amount is None else amount
    if order.financial_status not in {Order.FinancialStatus.PAID, Order.FinancialStatus.PARTIALLY_REFUNDED}:
        raise ValidationError({"order": [f"Only paid orders are refunded; this one is {order.financial_status}."]})
    if not 0 < amount <= left:
        raise ValidationError({"amount": [f"Of this order {left} {order.currency} can be refunded, not {amount}."]})
    status = Order.FinancialStatus.REFUNDED if amount == left else Order.FinancialStatus.PARTIALLY_REFUNDED
    order.financial_status = status
    order.save()
    refund = Refund.objects.create(order=order, amount=amount, reason=reason)
    if status == Order.FinancialStatus.REFUNDED:
        for link in order.downloads.filter(revoked_at=None):
            revoke_download(download=link, by=by, reason="order_refunded")
    return refund


def generate_download(
    *, merchant: Merchant, file: File, customer_email: str, days: int | None, limit: int | None, site: str = ""
) -> Download:
    """Make a link to a file. `days` and `limit` None: it never expires, it works any number of times.

    Raises:
        ValidationError: With the field and the fix.
    """
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    link = Download(
        merchant=merchant, file=file, customer_email=customer_email, limit=limit, expires_at=expires_at, site=site
    )
    link.full_clean()
    link.save()
    return link


@dataclass(frozen=True, slots=True)
class Access:
    """What became of a click: the link, and why it was refused (empty: it wasn't)."""

    download: Download | None
    refusal: str = ""


@transaction.atomic
def access_download(*, token: str, ip_address: str | None, user_agent: str) -> Access:
    """Count a download, or find that the link works no more."""
    link = Download.objects.select_for_update(no_key=True, of=("self",)).select_related("file", "merchant")
    download = link.filter(token=token, merchant__is_active=True).first()
    if download is None:
        return Access(None, "There is no such download link.")
    if download.revoked_at:
        return Access(download, "This download link has been revoked.")
    if download.is_over(timezone.now()):
        _expire(download)
        return Access(download, "This download link has expired.")
    if download.remaining == 0:
        return Access(download, "This download link has been used as often as it may be.")
    download.count += 1
    download.last_ip_address = ip_address
    download.last_user_agent = user_agent
    download.save()
    return Access(download)


@transaction.atomic
def revoke_download(*, download: Download, by: str = "", reason: str = "") -> Download:
    """Take a link back; one that was taken back stays as it is."""
    download = Download.objects.select_for_update(no_key=True).get(pk=download.pk)
    if download.revoked_at is None:
        download.revoked_at, download.revoked_by, download.revoke_reason = timezone.now(), by, reason
        download.save()
    return download


@transaction.atomic
def expire_downloads(*, now: datetime | None = None, limit: int = EXPIRED_AT_ONCE) -> int:
    """Close up to `limit` links whose time is up and return how many there were; call it until 0."""
    due = Download.objects.filter(expired_at=None, revoked_at=None, expires_at__lte=now or timezone.now())
    links = list(due.select_for_update(no_key=True, skip_locked=True).order_by("id")[:limit])
    for link in links:
        _expire(link)
    return len(links)


def _expire(download: Download) -> None:
    if download.expired_at is None:
        download.expired_at = timezone.now()
        download.save()


def _locked(order: Order) -> Order:
    return (
        Order.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer", "merchant")
        .get(pk=order.pk)
    )
