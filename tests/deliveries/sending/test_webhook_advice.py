"""What can't work is said, on the page and by the API, until it is gone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from deliveries.models import Event
from deliveries.publishing import publish, publish_many
from deliveries.sending import webhook_advice
from subscriptions import services
from subscriptions.models import EventType, Merchant, Webhook
from tests.support.api import Client
from tests.support.desk import make_shop, sign_in
from tests.support.factories import make_api_key, make_merchant, make_webhook

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"events": ["orders.*"]}, "orders.* matches no event of the catalogue"),
        ({"events": ["order-*"]}, None),  # an alias of orders-created
        ({"events": ["order.created", "ordr.*"]}, "ordr.* matches no event"),
        ({"events": ["gadget-*"]}, "gadget-* matches no event"),
        ({"events": ["order.*"]}, None),
        ({"events": ["*"]}, None),
        ({"fields": ["order.nothing"]}, "so every message is sent without data"),
        ({"fields": ["total", "order.totl"]}, "so every message is sent without data"),
        ({"fields": ["order.total", "order.totl"]}, "The chosen field order.totl is in none"),
        ({"fields": ["order.items.0"]}, "so every message is sent without data"),
        ({"fields": ["order.total"]}, None),
        ({"fields": ["data.order"]}, "so every message is sent without data"),
        ({"filter": "length(data.order.nothing) > `1`"}, "The filter has no answer for every event. The catalogue's"),
        ({"filter": "sum(data.order.total) > `1`"}, "sum() takes"),
        ({"filter": "!(data.order.nothing > `1`)"}, "can't be compared"),
        ({"filter": "data.order.totl > `1`"}, "The filter reads data.order.totl, which is in none"),
        ({"filter": "data.total == '1' || data.order.total == '2'"}, "The filter reads data.total, which"),
        ({"filter": "contains(['a'], data.order.curency)"}, "The filter reads data.order.curency"),
        ({"filter": "data.order.total > `100`"}, None),
        ({"filter": "data.order.customer.email"}, None),
        ({"filter": "event == 'order.created'"}, None),
    ],
)
def test_settings_that_cannot_work_are_warned_of_when_saved_and_whenever_read(
    settings: dict[str, Any], warned: str | None
) -> None:
    shop = make_shop("aster")
    Event.objects.all().delete()
    api = Client(make_api_key(shop.merchant).text)
    body = {"url": "http://127.0.0.1:9/hook", "events": ["order.created"], **settings}
    made = api.post("/api/v1/webhooks", body).json()
    read = api.get(f"/api/v1/webhooks/{made['id']}").json()
    row = Webhook.objects.get(public_id=made["id"])
    page = sign_in(shop.people["developer"]).get(reverse("admin:webhooks_subscriptions_webhook_change", args=[row.pk]))
    assert made["warnings"] == read["warnings"] == page.context["warnings"]
    if warned is None:
        assert made["warnings"] == []
    else:
        [text] = made["warnings"][:1]
        assert warned in text
        assert "data-warning" in page.content.decode()


def test_a_warning_goes_when_its_cause_does() -> None:
    webhook = make_webhook(events=["order.created", "gadget.*"], fields=["order.total", "order.weight"])
    assert len(webhook_advice.warnings(webhook)) == 2
    EventType.objects.create(name="gadget.sold", group="gadget", description="Sold.", example="{}")
    assert len(webhook_advice.warnings(webhook)) == 1
    publish("order.created", {"order": {"weight": 2}}, merchant=webhook.merchant)
    assert webhook_advice.warnings(webhook) == []


def test_a_warning_goes_when_the_setting_is_changed() -> None:
    webhook = make_webhook(events=["order.created"], filter="length(data.order.nothing) > `1`", fields=["nothing"])
    assert len(webhook_advice.warnings(webhook)) == 3
    services.update_webhook(webhook=webhook, filter="data.order.total > `1`", fields=[])
    assert webhook_advice.warnings(webhook) == []


def test_warnings_are_no_part_of_the_etag() -> None:
    merchant = make_merchant()
    api = Client(make_api_key(merchant).text)
    webhook = make_webhook(merchant, events=["order.created"], fields=["order.weight"])
    path = f"/api/v1/webhooks/{webhook.public_id}"
    before = api.get(path)
    publish("order.created", {"order": {"weight": 2}}, merchant=merchant)
    after = api.get(path)
    assert before.json()["warnings"] != after.json()["warnings"]
    assert before["ETag"] == after["ETag"]


def test_the_page_says_what_the_filter_would_do_with_examples_and_the_last_events() -> None:
    shop = make_shop("aster")
    make_shop("birch")  # whose events are not tried
    webhook = make_webhook(shop.merchant, events=["order.created"], filter="data.order.total > `100`")
    paid = publish("order.created", {"order": {"total": "149.99"}}, merchant=shop.merchant)
    odd = publish("order.created", {"order": {"total": ["1"]}}, merchant=shop.merchant)
    publish("order.paid", {"order": {"total": "149.99"}}, merchant=shop.merchant)
    change = reverse("admin:webhooks_subscriptions_webhook_change", args=[webhook.pk])
    page = sign_in(shop.people["developer"]).get(change)
    texts = [(trial.is_sent, trial.text) for trial in page.context["trials"]]
    assert texts[0][1].startswith(
        "The catalogue's example of order.created would not be sent. Filtered out: the filter"
    )
    assert texts[1] == (False, f"order.created {odd.public_id} would not be sent. Filtered out: the filter "
                        "'data.order.total > `100`' is null for this event.")  # fmt: skip
    assert texts[2] == (True, f"order.created {paid.public_id} would be sent.")
    assert len(texts) == 4  # and the shop's own first one
    assert page.content.decode().count("data-trial=") == 4


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("é" * 300_000, False),
        ("é" * 100_000, True),
        ("😀" * 100_000, False),
        ("日" * 180_000, False),
        ("日" * 160_000, True),
        ("x" * 1_000_000, True),
        ('"' * 400_000, True),
        ("\x01" * 170_000, True),
        ("é" * 174_000, True),
        ("é" * 175_000, False),
    ],
)
def test_an_event_too_large_in_the_body_style_of_a_webhook_is_refused(text: str, fits: bool) -> None:
    webhook = make_webhook(events=["order.*"], dialect="alva", body_style="python")
    data = {"order": {"note": text}}
    if fits:
        publish("order.created", data, merchant=webhook.merchant)
        return
    with pytest.raises(ValidationError, match=rf"in the body style of webhook {webhook.public_id}; at most 1046528"):
        publish("order.created", data, merchant=webhook.merchant)
    with pytest.raises(ValidationError) as refused:
        publish_many(
            [{"event": "order.created", "data": {}}, {"event": "order.created", "data": data}],
            merchant=webhook.merchant,
        )
    assert list(refused.value.message_dict) == ["events.1.data"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"events": ["file.*"]},
        {"body_style": "compact"},
        {"dialect": "standard"},
        {"is_enabled": False},
        {"fields": ["order.id"]},
        {"filter": "data.order.id == 'another'"},
    ],
)
def test_a_webhook_that_would_not_be_sent_the_large_event_refuses_none(settings: dict[str, Any]) -> None:
    webhook = make_webhook(**{"events": ["order.*"], "dialect": "alva", "body_style": "python", **settings})
    publish("order.created", {"order": {"id": "1", "note": "é" * 300_000}}, merchant=webhook.merchant)


def test_another_merchants_webhook_refuses_none() -> None:
    make_webhook(events=["order.*"], dialect="alva", body_style="python")
    merchant: Merchant = make_merchant()
    publish("order.created", {"order": {"note": "é" * 300_000}}, merchant=merchant)


def test_a_webhook_that_turns_to_the_longer_style_is_warned_of_its_last_events() -> None:
    webhook = make_webhook(events=["order.*"], dialect="alva")
    publish("order.created", {"order": {"note": "é" * 300_000}}, merchant=webhook.merchant)
    assert webhook_advice.warnings(webhook) == []
    services.update_webhook(webhook=webhook, body_style="python")
    [warning] = webhook_advice.warnings(webhook)
    assert "in this webhook's body style; at most 1046528" in warning
