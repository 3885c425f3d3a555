"""Which changes of the shop's rows are which events: the whole wiring of a platform to its webhooks, on one page.

The rules it follows, for whoever writes their own:

1. Publish in the transaction of the change (`models.base.Atomic`): row and event both stand, or neither does.
2. Publish transitions, not saves (`changes.on_change`): saving twice without a change tells nobody anything.
3. Announce a thing once it is whole: an order with its lines is announced when it is placed, not when its row appears.
4. Nothing here knows webhooks, HTTP or Celery. `publish()` stores the event; delivering it is not the shop's business.
5. `QuerySet.update()`, `bulk_create()` and raw SQL send no signals: who uses them calls `publish_many()` beside them.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver
from django.utils import timezone

from deliveries.publishing import publish
from deliveries.publishing.changes import differing, on_change
from examples.storefront import payloads
from examples.storefront.models import Customer, Download, File, Order, Product, Refund

logger = logging.getLogger(__name__)

Subject = Customer | Download | File | Order
"""What events are about."""

# --- orders and customers ----------------------------------------------------------------------------------------

ORDER_EVENTS: Final = (
    # field, value it changes to, event, what it adds to the order
    ("financial_status", Order.FinancialStatus.PAID, "order.paid", lambda row: {"paid_at": _at(row)}),
    ("fraud_check", Order.FraudCheck.PASSED, "order.approved", lambda row: {"fraud_check": payloads.fraud_check(row)}),
    ("fraud_check", Order.FraudCheck.FAILED, "order.rejected", lambda row: {"fraud_check": payloads.fraud_check(row)}),
    ("fulfillment", Order.Fulfillment.FULFILLED, "order.fulfilled", lambda row: {"fulfilled_at": _at(row)}),
)


@on_change(Order)
def tell_of_an_order(before: Order | None, order: Order) -> None:
    """A basket becomes an order when it is placed; from then on each step is an event."""
    if order.placed_at is None:
        return
    if before is None or before.placed_at is None:
        before = None
        _tell("order.created", order, {"order": payloads.order(order)}, at=order.placed_at)
    for field, value, event, more in ORDER_EVENTS:
        if getattr(order, field) == value != getattr(before, field, None):
            _tell(event, order, {"order": payloads.order(order) | more(order)})
            if event == "order.paid":
                _tell_of_a_purchase(order)


def _tell_of_a_purchase(order: Order) -> None:
    # Two first orders paid at once: the second waits here until the first is counted.
    customer = Customer.objects.select_for_update(no_key=True).get(pk=order.customer_id)
    bought = customer.orders.exclude(placed_at=None).exclude(financial_status=Order.FinancialStatus.PENDING)
    spent = bought.filter(currency=order.currency).aggregate(total=Sum("total"))["total"]
    count = bought.count()
    data = {
        "customer": payloads.buyer(customer, orders_count=count, total_spent=spent, currency=order.currency),
        "order": payloads.order_summary(order),
    }
    _tell("customer.first_purchase" if count == 1 else "customer.repeat_purchase", customer, data)


@receiver(post_save, sender=Refund)
def tell_of_a_refund(instance: Refund, created: bool, raw: bool, **_: Any) -> None:
    """Each refund is an event, in full or in part. A refund never changes, so its creation is all there is to tell."""
    if created and not raw:
        refund = Refund.objects.select_related("order").get(pk=instance.pk)
        data = {"order": payloads.order(refund.order) | {"refund": payloads.refund(refund)}}
        _tell("order.refunded", refund.order, data, at=refund.created_at)


# --- downloads ---------------------------------------------------------------------------------------------------


@on_change(Download)
def tell_of_a_download(before: Download | None, link: Download) -> None:
    """A link is made, used, used up, over, or taken back."""

    def tell(event: str, **more: Any) -> None:
        _tell(event, link, {"download": payloads.download(link) | more})

    if before is None:
        times = {"created_at": payloads.when(link.created_at), "expires_at": payloads.when(link.expires_at)}
        tell("download.created", download_url=link.url, **times)
        return
    if link.count > before.count:
        tell("download.accessed", **payloads.access(link))
        if link.remaining == 0 != before.remaining:
            tell("download.limit_reached", limit_reached_at=_at(link))
    if link.expired_at and not before.expired_at:
        tell("download.expired", expired_at=payloads.when(link.expires_at))
    if link.revoked_at and not before.revoked_at:
        tell(
            "download.revoked",
            revoked_at=payloads.when(link.revoked_at),
            revoked_by=link.revoked_by or None,
            reason=link.revoke_reason or None,
        )


# --- files -------------------------------------------------------------------------------------------------------

FILE_FIELDS: Final = ("filename", "size", "upload_date", "tags")
"""What receivers are told of a file, hence what counts as a change of it."""


@on_change(File)
def tell_of_a_file(before: File | None, file: File) -> None:
    """A file is added or modified."""
    if before is None:
        _tell("file.uploaded", file, {"file": payloads.file(file)}, at=file.created_at)
    elif changed := differing(before, file, FILE_FIELDS):
        tell_of_a_modified_file(file, changed)


def tell_of_a_modified_file(file: File, changed: list[str]) -> None:
    """Tell which fields of a file changed."""
    _tell("file.updated", file, {"file": payloads.file(file) | {"updated_at": _at(file), "changed": changed}})


def tell_of_a_mapped_file(file: File, product: Product, moment: datetime) -> None:
    """Tell that a product has got this file. `mapping` calls it, which watches the relation."""
    data = {"file": payloads.file(file), "product": payloads.product(product), "mapped_at": payloads.when(moment)}
    _tell("file.mapped", file, data, at=moment)


@receiver(pre_delete, sender=File)
def tell_of_a_deleted_file(instance: File, origin: Any, **_: Any) -> None:
    """A file is removed. Told before it is gone, while its products and downloads can still be read."""
    if getattr(origin, "model", type(origin)) is not File:
        return  # its merchant is being deleted, and all events with it
    now = timezone.now()
    _tell("file.deleted", instance, {"file": payloads.file(instance) | {"deleted_at": payloads.when(now)}}, at=now)


# --- publishing --------------------------------------------------------------------------------------------------


def _at(row: Subject) -> str | None:
    return payloads.when(row.updated_at)


def _tell(event: str, about: Subject, data: dict[str, Any], *, at: datetime | None = None) -> None:
    """Publish an event about a row. `resource_id` lets merchants search for it, and keeps its events in order."""
    if not about.merchant.is_active:
        return  # the platform's staff may put its shop in order, and nobody is told
    try:
        publish(event, data, merchant=about.merchant, occurred_at=at or about.updated_at, resource_id=about.public_id)
    except ValidationError as error:
        # The platform's staff may take an event out of the catalogue; that must not stop the shop from working.
        if error.message_dict.keys() != {"event"}:
            raise
        logger.info("%s is not offered now, so no event was sent for %s", event, about.public_id)
