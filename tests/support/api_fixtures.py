"""Fixtures of the API's suites: two shops, a client of each with its key, and a webhook."""

from __future__ import annotations

import pytest

from subscriptions import limits, services
from subscriptions.services import NewMerchant
from tests.support.api import Client


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    limits.forget_rates()


@pytest.fixture
def shop(db: None) -> NewMerchant:
    return services.create_merchant(name="Shop", email="owner@shop.example", domain="shop.example")


@pytest.fixture
def other_shop(db: None) -> NewMerchant:
    return services.create_merchant(name="Other", email="owner@other.example", domain="other.example")


@pytest.fixture
def api(shop: NewMerchant) -> Client:
    return Client(shop.api_key)


@pytest.fixture
def stranger(other_shop: NewMerchant) -> Client:
    return Client(other_shop.api_key)


@pytest.fixture
def webhook(api: Client) -> dict[str, object]:
    answer = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "events": ["order.*"], "dialect": "alva"})
    assert answer.status_code == 201, answer.content
    return answer.json()
