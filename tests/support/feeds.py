"""Feeds for tests: a shop's webhook of the kind pull, and a program that fetches it."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.publishing import publish
from subscriptions.models import Webhook
from subscriptions.services import NewMerchant
from tests.support.api import Client
from tests.support.factories import make_webhook

EVENT = "order.created"


class Consumer:
    """A program that fetches one feed and keeps its cursor."""

    def __init__(self, webhook: Webhook, api: Client) -> None:
        self.path = f"/api/v1/webhooks/{webhook.public_id}/feed"
        self.api = api
        self.cursor = ""
        self.seen: list[str] = []

    def ask(self, **query: Any) -> dict[str, Any]:
        """Ask with the cursor, without keeping the answer's."""
        if self.cursor:
            query.setdefault("after", self.cursor)
        answer = self.api.get(self.path + "?" + "&".join(f"{name}={value}" for name, value in query.items()))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def fetch(self, **query: Any) -> list[str]:
        """Ask, keep the cursor, and return the ids of the events that came."""
        page = self.ask(**query)
        self.cursor = page["cursor"]
        found = [item["event_id"] for item in page["results"]]
        self.seen += found
        return found


@pytest.fixture
def feed(shop: NewMerchant) -> Webhook:
    return make_feed(shop)


@pytest.fixture
def consumer(feed: Webhook, api: Client) -> Consumer:
    return Consumer(feed, api)


def make_feed(shop: NewMerchant, **settings: Any) -> Webhook:
    return make_webhook(shop.merchant, kind="pull", url="", **settings)


def published(shop: NewMerchant, count: int, **data: Any) -> list[str]:
    return [publish(EVENT, {"n": n, **data}, merchant=shop.merchant).public_id for n in range(count)]
