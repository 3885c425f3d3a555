"""Requests at the same moment, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from deliveries.models import Event
from examples.storefront import services
from examples.storefront.models import Download, Order
from tests.examples.storefront.conftest import make_shop

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[int], Any], times: int) -> list[Any]:
    """Run `work` in so many threads that start together; return what each returned."""
    results: list[Any] = [None] * times
    start = threading.Barrier(times)

    def run(number: int) -> None:
        try:
            start.wait(timeout=30)
            results[number] = work(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def told(*names: str) -> list[str]:
    return list(Event.objects.filter(type__in=names).order_by("pk").values_list("type", flat=True))


def test_clicks_at_once_never_pass_the_limit() -> None:
    shop = make_shop()
    link = services.generate_download(
        merchant=shop.merchant, file=shop.file, customer_email="a@example.com", days=1, limit=3
    )
    statuses = at_once(lambda _number: Client().get(f"/download?key={link.token}").status_code, 8)

    assert sorted(statuses) == [200] * 3 + [410] * 5
    assert Download.objects.get().count == 3
    assert told("download.accessed", "download.limit_reached") == [
        *["download.accessed"] * 3,
        "download.limit_reached",
    ]


def test_of_first_orders_paid_at_once_one_is_the_first_purchase() -> None:
    shop = make_shop()
    orders = [shop.order(str(number)) for number in range(4)]

    def pay(number: int) -> None:
        order = Order.objects.get(pk=orders[number].pk)
        order.financial_status = "paid"
        order.save()

    at_once(pay, 4)
    assert sorted(told("customer.first_purchase", "customer.repeat_purchase")) == [
        "customer.first_purchase",
        *["customer.repeat_purchase"] * 3,
    ]


def test_an_order_paid_by_several_at_once_is_paid_once() -> None:
    order = make_shop().order()

    def pay(_number: int) -> None:
        twin = Order.objects.get(pk=order.pk)
        twin.financial_status = "paid"
        twin.save()

    at_once(pay, 4)
    assert told("order.paid") == ["order.paid"]


def test_refunds_at_once_never_give_back_more_than_was_paid() -> None:
    order = make_shop().order(price="10.00", financial_status="paid")

    def refund(_number: int) -> bool:
        try:
            services.refund_order(order=order, amount=Decimal("6.00"))
        except services.ValidationError:
            return False
        return True

    assert sorted(at_once(refund, 4)) == [False, False, False, True]
    assert told("order.refunded") == ["order.refunded"]
