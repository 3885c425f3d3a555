"""A shop with a library, and all it published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from deliveries.models import Event
from examples.storefront import services
from examples.storefront.models import Customer, File, Order, Product
from subscriptions import event_types, limits
from subscriptions.models import Merchant
from tests.support.api import Client
from tests.support.factories import make_api_key, make_merchant


@cache
def schemas() -> dict[str, jsonschema_rs.Draft202012Validator]:
    return {
        entry.name: jsonschema_rs.Draft202012Validator(entry.schema, validate_formats=True)
        for entry in event_types.load()
    }


@dataclass
class Told:
    """An event that was published, its data checked against the catalogue."""

    name: str
    data: dict[str, Any]
    row: Event


@dataclass
class Shop:
    merchant: Merchant
    product: Product
    file: File
    customer: Customer

    def order(self, number: str = "1045", price: str = "49.99", **columns: Any) -> Order:
        return services.place_order(
            customer=self.customer,
            number=number,
            items=[services.Item(self.product, Decimal(price))],
            currency="USD",
            **columns,
        )


def make_shop(**columns: Any) -> Shop:
    merchant = make_merchant(**columns)
    product = Product.objects.create(merchant=merchant, title="Complete Course Bundle")
    file = File.objects.create(merchant=merchant, filename="Chapter-1.pdf", size=2_500_000, tags=["course", "chapter1"])
    file.products.add(product)
    customer = Customer.objects.create(
        merchant=merchant,
        email="customer@example.com",
        first_name="John",
        last_name="Smith",
        phone="+1-555-123-4567",
    )
    return Shop(merchant, product, file, customer)


@pytest.fixture
def shop(db: None) -> Shop:
    """A shop whose own making is forgotten."""
    limits.forget_rates()
    made = make_shop(domain="yourshop.example")
    Event.objects.all().delete()
    return made


@pytest.fixture
def other_shop(shop: Shop) -> Shop:
    made = make_shop(domain="other.example")
    Event.objects.all().delete()
    return made


@pytest.fixture
def api(shop: Shop) -> Client:
    return Client(make_api_key(shop.merchant).text)


@pytest.fixture
def told() -> Callable[[], list[Told]]:
    """Return what was published since the last call, in order; each event must be as its schema says."""
    seen: list[int] = [0]

    def read() -> list[Told]:
        found = []
        for row in Event.objects.filter(pk__gt=seen[0]).order_by("pk"):
            seen[0] = row.pk
            data = json.loads(row.data)
            problems = [f"{error.instance_path}: {error.message}" for error in schemas()[row.type].iter_errors(data)]
            assert not problems, (row.type, problems, data)
            found.append(Told(row.type, data, row))
        return found

    return read
