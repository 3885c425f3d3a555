"""Messages that an expression makes, an attempt each: to endpoints and queues, signed, previewed, and none at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client as Browser
from django.urls import reverse

from deliveries.models import DeadLetter
from deliveries.publishing import publish
from deliveries.review import manual_actions
from deliveries.sending import previews, webhook_advice
from merchant_webhooks.verification import verify
from subscriptions import services
from subscriptions.models import Webhook
from tests.support import clouds
from tests.support.api import Client, attrs
from tests.support.clouds import eventbridge_settings
from tests.support.desk import make_shop, sign_in
from tests.support.engine import reread
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_member, make_merchant, make_webhook
from tests.support.one_attempt import attempt
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.django_db

TEXT = "{text: join(' ', [event, to_string(data.n)])}"


def api_of(webhook: Webhook) -> Client:
    return Client(services.create_api_key(merchant=webhook.merchant).text)


def test_an_endpoint_gets_what_the_expression_makes_and_can_verify_it() -> None:
    with TestReceiver() as receiver:
        webhook = make_webhook(url=receiver.url, secret=STANDARD_SECRET, transform=TEXT)
        delivery, made = attempt(webhook)
        [request] = receiver.requests
        assert (delivery.status, request.json()) == ("delivered", {"text": "order.created 1"})
        verify(request.headers, request.body, STANDARD_SECRET)
        assert request.headers["webhook-event"] == "order.created"
        assert made.request_size == len(request.body)


def test_a_transformation_sees_the_chosen_fields_only() -> None:
    with TestReceiver() as receiver:
        webhook = make_webhook(url=receiver.url, fields=["n"], transform="{all: data, secret: data.secret}")
        attempt(webhook, {"n": 1, "secret": "x"})
        assert receiver.requests[0].json() == {"all": {"n": 1}, "secret": None}


def test_a_queue_gets_what_the_expression_makes() -> None:
    with clouds.amazon() as amazon, clouds.pubsub() as pubsub:
        copy, queue = amazon.bus_into("orders", "copy"), amazon.queue("plain")
        for settings in (
            eventbridge_settings(amazon.url, "orders"),
            clouds.sqs_settings(queue),
            clouds.pubsub_settings(pubsub.url),
        ):
            delivery, made = attempt(make_webhook(transform=TEXT, **settings))
            assert delivery.status == "delivered", made.detail
        wanted = {"text": "order.created 1"}
        [on_bus], [in_queue] = amazon.taken(copy), amazon.taken(queue)
        assert json.loads(on_bus["Body"])["detail"] == wanted
        assert json.loads(in_queue["Body"]) == wanted
        assert "webhook-signature" in in_queue["MessageAttributes"]
        [in_topic] = pubsub.taken
        assert json.loads(in_topic["data"]) == wanted


def test_where_it_gives_no_message_the_event_waits_in_review_and_is_replayed_once_it_is_mended() -> None:
    with TestReceiver() as receiver:
        webhook = make_webhook(url=receiver.url, transform="{n: length(data.nothing)}")
        delivery, made = attempt(webhook)
        assert (delivery.status, made.error, made.status_code) == ("dead", "transformation_failed", None)
        assert made.detail.startswith("The transformation can't be evaluated for this event: length() takes")
        letter = DeadLetter.objects.get(delivery=delivery)
        assert letter.reason.startswith("The webhook's transformation gave no message. Trying again cannot help")
        assert receiver.requests == []
        services.update_webhook(webhook=webhook, transform=TEXT)
        manual_actions.replay(delivery=delivery, by="somebody")
        assert reread(delivery).status == "retrying"
        assert attempt(webhook)[0].status == "delivered"


@pytest.mark.parametrize("dialect", ["alva", "litestore", "cryptlex", "shopery"])
def test_the_other_dialects_take_none(dialect: str) -> None:
    with pytest.raises(ValidationError, match="says itself what its messages are"):
        make_webhook(transform=TEXT, dialect=dialect)
    webhook = make_webhook(transform=TEXT, secret=STANDARD_SECRET)
    answer = api_of(webhook).patch(f"/api/v1/webhooks/{webhook.public_id}", {"dialect": dialect})
    assert "says itself" in attrs(answer)["transform"]
    change = {"dialect": dialect, "transform": None, "secret": PLAIN_SECRET}
    answer = api_of(webhook).patch(f"/api/v1/webhooks/{webhook.public_id}", change)
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("wrong", [" ", "\t\n", "{", 5, ["event"], {"a": "event"}, True, "x" * 5000], ids=repr)
def test_what_is_no_expression_is_refused_beside_its_field(wrong: Any) -> None:
    webhook = make_webhook()
    path = f"/api/v1/webhooks/{webhook.public_id}"
    for answer in (api_of(webhook).patch(path, {"transform": wrong}),
                   api_of(webhook).post(f"{path}/preview", {"transform": wrong})):  # fmt: skip
        assert answer.status_code == 422
        assert "transform" in attrs(answer)


def test_the_api_previews_on_examples_and_the_last_events_and_changes_nothing() -> None:
    webhook = make_webhook(make_merchant(), events=["order.created", "order.paid"], filter="event == 'order.created'")
    published = publish("order.created", {"order": {"id": 5}}, merchant=webhook.merchant)
    api, path = api_of(webhook), f"/api/v1/webhooks/{webhook.public_id}"
    answer = api.post(f"{path}/preview", {"transform": "{id: id, order: data.order.id}"})
    assert answer.status_code == 200, answer.content
    found = {(each["event"], each["event_id"]): each for each in answer.json()["previews"]}
    own = found["order.created", published.public_id]
    assert (own["is_sent"], json.loads(own["body"])) == (True, {"id": published.public_id, "order": 5})
    assert found["order.created", ""]["is_sent"]
    kept = found["order.paid", ""]
    assert (kept["is_sent"], kept["body"]) == (False, "")
    assert kept["reason"].startswith("Filtered out:")
    assert api.get(path).json()["transform"] == ""
    plain = api.post(f"{path}/preview", {"filter": None}).json()["previews"]
    assert all(json.loads(each["body"])["type"] == each["event"] for each in plain)
    broken = api.post(f"{path}/preview", {"transform": "{n: length(data.nothing)}"}).json()["previews"]
    assert any("can't be evaluated" in each["reason"] for each in broken)
    stranger = Client(services.create_api_key(merchant=make_merchant()).text)
    assert stranger.post(f"{path}/preview", {}).status_code == 404


def test_a_key_that_reads_nothing_previews_nothing() -> None:
    """A preview shows what events hold."""
    webhook = make_webhook(make_merchant(), events=["order.created"])
    key = services.create_api_key(merchant=webhook.merchant, scopes=["manage"])
    answer = Client(key.text).post(f"/api/v1/webhooks/{webhook.public_id}/preview", {"transform": "{a: data}"})
    assert answer.status_code == 403
    assert "read" in answer.content.decode()


def test_a_preview_has_a_time_for_all_samples_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "PREVIEWS_SECONDS", 0.0)
    webhook = make_webhook(make_merchant(), events=["order.created", "order.paid"])
    answer = api_of(webhook).post(f"/api/v1/webhooks/{webhook.public_id}/preview", {"transform": "{id: id}"})
    assert {each["reason"] for each in answer.json()["previews"]} == {previews.TOO_COSTLY}


def test_the_form_keeps_and_previews_it_and_its_page_warns_where_it_gives_nothing() -> None:
    shop = make_shop("aster")
    browser: Browser = sign_in(make_member(shop.merchant))

    def url(page: str, *args: Any) -> str:
        return reverse(f"admin:webhooks_subscriptions_webhook_{page}", args=args)

    publish("order.created", {"order": {"id": 5}, "n": 9}, merchant=shop.merchant)
    form = {"name": "Chat", "events": ["order.created"], "patterns": "", "is_enabled": "on", "body_style": "compact",
            "api_version": "2024-01", "url": "https://shop.example.com/hooks", "dialect": "standard", "kind": "https",
            "merchant": shop.merchant.pk, "transform": TEXT, "sample": "order.created"}  # fmt: skip
    shown = browser.post(url("preview", "new"), form).content.decode()
    assert "order.created 9" in shown
    assert 'data-preview="sent"' in shown
    wrong = browser.post(url("preview", "new"), form | {"transform": "{"}).content.decode()
    assert "doesn&#x27;t parse" in wrong
    nothing = browser.post(url("preview", "new"), form | {"transform": "{n: length(data.nothing)}"}).content.decode()
    assert "can&#x27;t be evaluated" in nothing
    answer = browser.post(url("add"), form)
    assert answer.status_code == 302
    webhook = Webhook.objects.get(name="Chat")
    assert webhook.transform == TEXT
    assert "to_string(data.n)" in browser.get(url("change", webhook.pk)).content.decode()
    services.update_webhook(webhook=webhook, transform="{n: length(data.nothing)}")
    [warning] = webhook_advice.warnings(webhook)
    assert warning.startswith("The catalogue's example of order.created would wait in review. The transformation can't")
