"""What a feed refuses: cursors that are none of it, wrong queries, strangers, settings that speak of sending."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Delivery
from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.api import Client, attrs
from tests.support.factories import make_webhook
from tests.support.feeds import Consumer, make_feed, published

pytestmark = pytest.mark.django_db


def of_another_feed(consumer: Consumer, shop: NewMerchant) -> str:
    other = Consumer(make_feed(shop), consumer.api)
    published(shop, 1)
    other.fetch()
    return other.cursor


def not_given_yet(consumer: Consumer, shop: NewMerchant) -> str:
    position, rest = consumer.cursor.split("-", 1)
    return f"{int(position) + 1}-{rest}"


@pytest.mark.parametrize(
    "wrong",
    [
        of_another_feed,
        not_given_yet,
        *("x", "0", "1-2", "-1-0-AAAAAA", "1-1-ÄÄÄÄÄÄ", "9" * 30 + "-1-AAAAAA", "1%202", "a%00b"),
    ],
    ids=lambda wrong: wrong if isinstance(wrong, str) else wrong.__name__,
)
def test_an_unknown_cursor_is_gone_with_how_to_go_on(shop, consumer, wrong: Any):
    published(shop, 1)
    consumer.fetch()
    after = wrong if isinstance(wrong, str) else wrong(consumer, shop)
    answer = consumer.api.get(f"{consumer.path}?after={after}")
    assert answer.status_code == 410, answer.content
    [error] = answer.json()["errors"]
    assert error["code"] == "unknown_cursor"
    assert "Ask without `after`" in error["detail"]
    assert Delivery.objects.exclude(status="pending").count() == 0, "nothing is acknowledged"


def test_an_old_cursor_expires_with_what_followed_on_it(shop, consumer, settings):
    settings.WEBHOOKS_KEEP_DELIVERIES, settings.WEBHOOKS_KEEP_EVENTS, settings.WEBHOOKS_KEEP_PAYLOADS = 0, 0, 3
    ids = published(shop, 3)
    consumer.fetch(limit=1)
    position, at, mark = consumer.cursor.split("-")
    week = 7 * 86_400
    old = f"{position}-{int(at) - week}-{mark}"
    assert consumer.ask(after=old)["results"], "what nobody acknowledged is never purged"
    consumer.fetch()
    consumer.fetch()
    answer = consumer.api.get(f"{consumer.path}?after={old}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (410, "expired_cursor")
    assert [item["event_id"] for item in consumer.ask(after=f"{position}-{at}-{mark}")["results"]] == ids[1:]
    for name in ("KEEP_DELIVERIES", "KEEP_EVENTS", "KEEP_PAYLOADS"):
        setattr(settings, f"WEBHOOKS_{name}", 0)  # for ever
    assert consumer.ask(after=old)["results"]


@pytest.mark.parametrize("query", ["wait=31", "wait=-1", "wait=x", "wait=1.5", "limit=0", "limit=201", "before=1"])
def test_a_wrong_query_is_named(consumer, query):
    answer = consumer.api.get(f"{consumer.path}?{query}")
    assert answer.status_code == 400
    assert list(attrs(answer)) == [query.partition("=")[0]]


def test_only_a_webhook_of_the_kind_pull_has_a_feed(shop, api):
    answer = Consumer(make_webhook(shop.merchant), api).api.get(
        f"/api/v1/webhooks/{make_webhook(shop.merchant).public_id}/feed"
    )
    assert answer.status_code == 409
    assert "Only one of the kind pull has a feed" in answer.json()["errors"][0]["detail"]


def test_a_feed_is_its_merchants_own_and_needs_its_scope(shop, feed, consumer, stranger):
    assert stranger.get(consumer.path).status_code == 404
    for scopes, status in ((["receive"], 200), (["read", "manage", "publish"], 403)):
        key = services.create_api_key(merchant=shop.merchant, scopes=scopes).text
        assert Client(key).get(consumer.path).status_code == status
    only = Client(services.create_api_key(merchant=shop.merchant, scopes=["receive"]).text)
    assert only.get("/api/v1/webhooks").status_code == 403


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("url", "https://shop.example.com/hook"),
        ("retry_policy", {"delays": [1]}),
        ("timeout", 5),
        ("max_in_flight", 5),
        ("rate_limit", 5),
        ("ordering", "webhook"),
        ("destination", {"region": "eu-central-1"}),
        ("credentials", {"access_key_id": "x"}),
    ],
)
def test_what_speaks_of_sending_is_refused_at_a_feed(api, setting, value):
    answer = api.post("/api/v1/webhooks", {"kind": "pull", "events": ["*"], setting: value})
    assert answer.status_code == 422
    assert list(attrs(answer)) == [setting]
    made = api.post("/api/v1/webhooks", {"kind": "pull", "events": ["*"], "dialect": "alva", "filter": "data.n"})
    assert (made.status_code, made.json()["url"]) == (201, "")
    path = f"/api/v1/webhooks/{made.json()['id']}"
    assert list(attrs(api.patch(path, {setting: value}))) == [setting]
    assert api.patch(path, {"name": "Feed", "url": "", "ordering": "none", "timeout": None}).status_code == 200
    assert attrs(api.patch(path, {"kind": "https", "url": "https://shop.example.com/"}))["kind"]
