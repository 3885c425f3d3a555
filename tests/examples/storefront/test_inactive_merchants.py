"""Shops that were closed: nothing is published for them, and their rows can still be put in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError

from deliveries.models import Event
from deliveries.publishing import publish, publish_many
from subscriptions.models import Merchant
from tests.examples.storefront.conftest import Shop, Told


@pytest.fixture
def closed(shop: Shop) -> Shop:
    """The shop, closed by the platform's staff."""
    Merchant.objects.filter(pk=shop.merchant.pk).update(is_active=False)
    for row in (shop.merchant, shop.file):
        row.refresh_from_db()
    return shop


@pytest.mark.parametrize("by_id", [False, True])
def test_publishing_for_an_inactive_merchant_is_refused_however_it_is_given(closed: Shop, by_id: bool) -> None:
    merchant = closed.merchant.public_id if by_id else closed.merchant
    for call in (
        lambda: publish("order.created", {"n": 1}, merchant=merchant),
        lambda: publish_many([{"event": "order.created", "data": {"n": 1}}], merchant=merchant),
    ):
        with pytest.raises(ValidationError) as refused:
            call()
        assert list(refused.value.message_dict) == ["merchant"]
    assert not Event.objects.exists()


def test_a_closed_shops_rows_change_without_telling_anybody(closed: Shop, told: Callable[[], list[Told]]) -> None:
    closed.file.filename = "Chapter-2.pdf"
    closed.file.save()
    closed.file.delete()
    assert told() == []
