from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from deliveries.models import Delivery, Event
from examples.storefront import services
from examples.storefront.models import Customer, Order, OrderLine, Refund
from subscriptions.models import EventType, Merchant
from tests.examples.storefront.conftest import Shop
from tests.support.factories import make_webhook

Read = Callable[[], list[Any]]


def names(told: Read) -> list[str]:
    return [event.name for event in told()]


def test_a_placed_order_is_told_with_its_lines_as_the_document_has_it(shop: Shop, told: Read) -> None:
    order = shop.order()
    [event] = told()
    assert event.name == "order.created"
    line = order.lines.get()
    assert event.data == {
        "order": {
            "id": order.public_id,
            "number": "1045",
            "created_at": f"{order.placed_at:%Y-%m-%dT%H:%M:%SZ}",
            "total": "49.99",
            "currency": "USD",
            "financial_status": "pending",
            "customer": {
                "id": shop.customer.public_id,
                "email": "customer@example.com",
                "first_name": "John",
                "last_name": "Smith",
                "phone": "+1-555-123-4567",
            },
            "line_items": [
                {
                    "id": line.public_id,
                    "product_id": shop.product.public_id,
                    "title": "Complete Course Bundle",
                    "quantity": 1,
                    "price": "49.99",
                    "files": [{"id": shop.file.public_id, "filename": "Chapter-1.pdf", "size": 2_500_000}],
                }
            ],
            "download_link": None,
            "expiry_date": None,
            "download_limit": None,
        }
    }
    assert event.row.resource_id == order.public_id
    assert event.row.merchant == shop.merchant
    assert event.row.occurred_at == order.placed_at


def test_an_order_created_through_the_orm_reaches_the_deliveries_of_every_listening_webhook(shop: Shop) -> None:
    listening = make_webhook(shop.merchant, events=["order.*"])
    make_webhook(shop.merchant, events=["file.*"])
    make_webhook(events=["*"])  # another merchant's
    with transaction.atomic():
        order = Order.objects.create(
            merchant=shop.merchant, customer=shop.customer, number="1046", total="49.90", currency="USD"
        )
        OrderLine.objects.create(order=order, product=shop.product, title="Bundle", price="49.90")
        assert not Delivery.objects.exists()  # still a basket
        order.placed_at = timezone.now()
        order.save()
    delivery = Delivery.objects.get()
    assert (delivery.webhook, delivery.event_type, delivery.status) == (listening, "order.created", "pending")
    assert '"total":"49.90"' in delivery.event.data
    assert '"title":"Bundle"' in delivery.event.data


def test_a_basket_is_nobodys_business(shop: Shop, told: Read) -> None:
    order = Order(merchant=shop.merchant, customer=shop.customer, number="7", total="1", currency="EUR")
    order.save()
    order.financial_status = "paid"
    order.save()
    assert told() == []
    order.placed_at = timezone.now()
    order.save()
    assert names(told) == ["order.created", "order.paid", "customer.first_purchase"]


def test_saving_twice_without_a_change_tells_nothing(shop: Shop, told: Read) -> None:
    order = shop.order(financial_status="paid")
    told()
    order.save()
    Order.objects.get(pk=order.pk).save()
    order.financial_status = "paid"
    order.save(update_fields=["financial_status"])
    order.number = "1045-A"  # a change that is no step of an order
    order.save()
    assert told() == []


@pytest.mark.parametrize(
    ("column", "value", "event", "member"),
    [
        ("financial_status", "paid", "order.paid", "paid_at"),
        ("fraud_check", "passed", "order.approved", "fraud_check"),
        ("fraud_check", "failed", "order.rejected", "fraud_check"),
        ("fulfillment", "fulfilled", "order.fulfilled", "fulfilled_at"),
    ],
)
@pytest.mark.parametrize("how", ["save", "update_fields", "by a stale instance"])
def test_each_step_of_an_order_is_an_event_once(
    how: str, column: str, value: str, event: str, member: str, shop: Shop, told: Read
) -> None:
    order = shop.order()
    stale = Order.objects.get(pk=order.pk)
    told()
    setattr(order, column, value)
    order.save(**({"update_fields": [column]} if how == "update_fields" else {}))
    first, *rest = told()
    assert first.name == event
    assert first.data["order"][member]
    assert [one.name for one in rest] == (["customer.first_purchase"] if event == "order.paid" else [])
    if how == "by a stale instance":
        setattr(stale, column, value)
        stale.save()
    assert told() == []


def test_the_moment_of_a_step_is_that_of_its_save(shop: Shop, told: Read) -> None:
    order = shop.order()
    Order.objects.filter(pk=order.pk).update(updated_at="2020-01-01T00:00:00Z")
    told()
    order.financial_status = "paid"
    order.save(update_fields=["financial_status"])
    paid = told()[0]
    order.refresh_from_db()
    assert order.updated_at.year > 2020
    assert paid.data["order"]["paid_at"] == f"{order.updated_at:%Y-%m-%dT%H:%M:%SZ}"
    assert paid.row.occurred_at == order.updated_at


def test_the_fraud_check_says_what_it_found(shop: Shop, told: Read) -> None:
    order = shop.order()
    told()
    order.fraud_check, order.risk_score, order.fraud_reasons = "failed", 0.93, ["disposable_email"]
    order.save()
    [event] = told()
    found = event.data["order"]["fraud_check"]
    assert (found["status"], found["risk_score"], found["reasons"]) == ("failed", 0.93, ["disposable_email"])


def test_the_first_purchase_and_those_after_it_are_told_apart(shop: Shop, told: Read) -> None:
    shop.order("1", "10.00")  # never paid: no purchase
    shop.order("2", "20.00", financial_status="paid")
    shop.order("3", "30.50", financial_status="paid")
    purchases = [event for event in told() if event.name.startswith("customer.")]
    assert [event.name for event in purchases] == ["customer.first_purchase", "customer.repeat_purchase"]
    first, second = (event.data for event in purchases)
    assert (first["customer"]["orders_count"], first["customer"]["total_spent"]) == (1, "20.00")
    assert (second["customer"]["orders_count"], second["customer"]["total_spent"]) == (2, "50.50")
    assert second["order"]["number"] == "3"
    assert purchases[1].row.resource_id == shop.customer.public_id


def test_fulfilling_makes_a_link_for_each_file_and_tells_them_with_the_order(shop: Shop, told: Read) -> None:
    order = shop.order(financial_status="paid")
    told()
    [link] = services.fulfill_order(order=order)
    created, fulfilled = told()
    assert (created.name, fulfilled.name) == ("download.created", "order.fulfilled")
    assert created.data["download"]["order_number"] == "1045"
    assert created.data["download"]["customer"] == {"email": "customer@example.com", "name": "John Smith"}
    assert link.url == f"https://yourshop.example/download?key={link.token}"
    data = fulfilled.data["order"]
    assert data["download_link"] == data["line_items"][0]["files"][0]["download_url"] == link.url
    assert (data["download_limit"], data["expiry_date"]) == (5, f"{link.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    assert services.fulfill_order(order=order) == [link]
    assert told() == []


def test_a_refund_in_part_and_then_in_full(shop: Shop, told: Read) -> None:
    order = shop.order(financial_status="paid")
    [link] = services.fulfill_order(order=order)
    told()
    services.refund_order(order=order, amount=Decimal("9.99"), reason="customer_request")
    [part] = told()
    assert part.name == "order.refunded"
    assert part.data["order"]["financial_status"] == "partially_refunded"
    assert part.data["order"]["refund"].items() >= {"amount": "9.99", "reason": "customer_request"}.items()

    services.refund_order(order=order, by="anna")
    full, revoked = told()
    assert full.data["order"]["financial_status"] == "refunded"
    assert full.data["order"]["refund"]["amount"] == "40.00"
    assert revoked.name == "download.revoked"
    assert revoked.data["download"]["id"] == link.public_id
    assert revoked.data["download"].items() >= {"revoked_by": "anna", "reason": "order_refunded"}.items()


def test_no_more_is_refunded_than_was_paid(shop: Shop, told: Read) -> None:
    order = shop.order()
    with pytest.raises(ValidationError, match="Only paid orders"):
        services.refund_order(order=order)
    order.financial_status = "paid"
    order.save()
    told()
    for amount in ("0", "-1", "50.00"):
        with pytest.raises(ValidationError, match="can be refunded"):
            services.refund_order(order=order, amount=Decimal(amount))
    assert told() == []
    assert not Refund.objects.exists()


def test_an_order_that_makes_no_sense_is_refused_whole(shop: Shop, other_shop: Shop, told: Read) -> None:
    item = services.Item(shop.product, Decimal("1.00"))
    wrong: list[dict[str, Any]] = [
        {"items": []},
        {"items": [item], "currency": "dollars"},
        {"items": [services.Item(other_shop.product, Decimal("1.00"))]},
        {"items": [services.Item(shop.product, Decimal("-1.00"))]},
    ]
    for words in wrong:
        with pytest.raises(ValidationError):
            services.place_order(**{"customer": shop.customer, "number": "9", "currency": "USD", **words})
    assert not Order.objects.exists()
    assert told() == []


def test_a_row_and_its_event_stand_or_fall_together(shop: Shop) -> None:
    order = shop.order()

    @transaction.atomic
    def pay_and_fail() -> None:
        order.financial_status = "paid"
        order.save()
        Customer.objects.create(merchant=shop.merchant, email=shop.customer.email)  # there is one already

    with pytest.raises(IntegrityError):
        pay_and_fail()
    order.refresh_from_db()
    assert order.financial_status == "pending"
    assert [event.type for event in Event.objects.all()] == ["order.created"]


@pytest.mark.django_db(transaction=True)
def test_a_row_whose_event_is_refused_is_not_saved() -> None:
    # Outside of any transaction, as in a shell or a script: save() itself must bring one.
    from tests.examples.storefront.conftest import make_shop

    shop = make_shop()
    Order.objects.bulk_create(
        [Order(merchant=shop.merchant, customer=shop.customer, number="5", total=1, currency="USD")]
    )
    order = Order.objects.get()
    order.placed_at, order.fraud_reasons = timezone.now(), ["x" * 2_000_000]
    order.fraud_check = "failed"
    with pytest.raises(ValidationError, match="at most"):
        order.save()
    order.refresh_from_db()
    assert order.placed_at is None
    assert not Event.objects.filter(type__startswith="order.").exists()


def test_an_event_taken_out_of_the_catalogue_does_not_stop_the_shop(shop: Shop, told: Read) -> None:
    EventType.objects.filter(name="order.created").update(is_active=False)
    order = shop.order(financial_status="paid")
    assert order.placed_at
    assert names(told) == ["order.paid", "customer.first_purchase"]


def test_fixtures_tell_nothing(shop: Shop, told: Read) -> None:
    from django.core import serializers

    order = shop.order(financial_status="paid")
    Refund.objects.create(order=order, amount="1.00")
    told()
    rows = [*Order.objects.all(), *Refund.objects.all()]
    text = serializers.serialize("json", rows)
    order.delete()
    for restored in serializers.deserialize("json", text):
        restored.save()
    assert Order.objects.get().number == "1045"
    assert told() == []


def test_deleting_a_merchant_deletes_its_shop(shop: Shop, told: Read) -> None:
    services.fulfill_order(order=shop.order())
    told()
    Merchant.objects.filter(pk=shop.merchant.pk).delete()
    assert not Order.objects.exists()
    assert not Event.objects.exists()
