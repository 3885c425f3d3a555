"""Clients of the API, each with a credential, and a log for them to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.models import Delivery
from subscriptions import limits
from tests.support.api import Client
from tests.support.api_fixtures import api, nothing_remembered, other_shop, shop, stranger, webhook
from tests.support.feeds import consumer, feed
from tests.support.publishing_web import PublishingWeb, publishing_web

__all__ = ["api", "consumer", "feed", "nothing_remembered", "other_shop", "shop", "stranger", "webhook"]


@pytest.fixture
def deliveries(api: Client, webhook: dict[str, Any]) -> list[Delivery]:
    """Five deliveries, the oldest first, all pending."""
    events = [
        {"event": "order.created", "data": {"n": n}, "id": f"e-{n}", "resource_id": f"order-{n}"} for n in range(5)
    ]
    assert api.post("/api/v1/events/batch", {"events": events}).status_code == 201
    return list(Delivery.objects.order_by("id"))


@pytest.fixture
def quick() -> Iterator[PublishingWeb]:
    """A shop whose requests to publish are answered on the loop."""
    limits.forget_rates()
    with publishing_web("quick", on_the_loop=True) as made:
        yield made
