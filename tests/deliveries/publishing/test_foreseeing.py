"""What tenants wrote is evaluated before the product's own transaction holds locks (7 of issue 13)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from deliveries.models import Delivery
from deliveries.payloads import filters
from deliveries.publishing import publish, publish_many
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a transaction was open, for each evaluation of a filter or of chosen fields."""
    seen: list[bool] = []
    for name in ("_refusal", "_digest"):
        own = getattr(filters.Reading, name)

        def noting(self: Any, question: Any, own: Any = own) -> Any:
            seen.append(connection.in_atomic_block)
            return own(self, question)

        monkeypatch.setattr(filters.Reading, name, noting)
    return seen


def test_filters_and_fields_are_read_before_the_transaction(evaluated: list[bool]) -> None:
    merchant = make_merchant()
    for wanted in ("data.order.id == '1'", "data.order.id == '2'"):
        make_webhook(merchant, filter=wanted, fields=["order.id"])
    publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
    publish_many([{"event": "order.paid", "data": {"order": {"id": str(n)}}} for n in range(3)], merchant=merchant)
    assert evaluated
    assert not any(evaluated)
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["pending"] * 3 + ["skipped"] * 5


def test_in_a_callers_transaction_they_are_read_in_it(evaluated: list[bool]) -> None:
    merchant = make_merchant()
    make_webhook(merchant, filter="data.order.id == '1'")
    with transaction.atomic():
        publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
    assert evaluated == [True]
