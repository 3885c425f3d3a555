"""A queue's form: made, changed and tried in the admin, with credentials that go in and never come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.models import DeadLetter
from subscriptions import encryption, services
from subscriptions.admin import destination_fields
from subscriptions.models import Webhook
from tests.support import clouds
from tests.support.clouds import AWS_KEYS, GOOGLE_KEYS
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_member, make_webhook
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db

FORM = {"name": "Cloud", "events": ["*"], "patterns": "", "is_enabled": "on", "body_style": "compact",
        "api_version": "2024-01", "url": "", "dialect": "standard"}  # fmt: skip
KINDS: dict[str, dict[str, str]] = {
    "eventbridge": {"region": "eu-central-1", "bus": "orders", **AWS_KEYS},
    "sqs": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders", **AWS_KEYS},
    "pubsub": {"project": "my-shop-123456", "topic": "orders", "service_account_key": json.dumps(GOOGLE_KEYS)},
}
SECRETS = [*AWS_KEYS.values(), GOOGLE_KEYS["private_key_id"], "BEGIN PRIVATE KEY"]


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in(make_member(shop.merchant))


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:webhooks_subscriptions_webhook_{page}", args=args)


def errors(answer: Any) -> dict[str, Any]:
    return answer.context["adminform"].form.errors


def add(browser: Client, shop: Shop, kind: str, **changes: Any) -> Any:
    return browser.post(url("add"), {**FORM, "merchant": shop.merchant.pk, "kind": kind, **KINDS[kind], **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_is_made_shown_in_words_and_changed_without_its_credentials(
    kind: str, browser: Client, shop: Shop
) -> None:
    answer = add(browser, shop, kind)
    assert answer.status_code == 302, errors(answer)
    webhook = Webhook.objects.get(name="Cloud")
    assert webhook.kind == kind
    sealed = webhook.credentials
    page = browser.get(url("change", webhook.pk)).content.decode()
    for name in destination_fields.of_kind(kind):
        assert f'name="{name}"' in page
    for name in {*destination_fields.NAMES, "url", "kind", "dialect"} - set(destination_fields.of_kind(kind)):
        assert f'name="{name}"' not in page
    assert f">{webhook.place}<" in browser.get(url("changelist")).content.decode()
    for secret in SECRETS:
        assert secret not in page

    kept = {name: value for name, value in KINDS[kind].items() if name in destination_fields.SETTINGS}
    answer = browser.post(url("change", webhook.pk), {**FORM, **kept, "name": "CRM"})
    assert answer.status_code == 302, errors(answer)
    webhook.refresh_from_db()
    assert (webhook.name, webhook.credentials) == ("CRM", sealed)


@pytest.mark.parametrize(
    ("kind", "field", "value"), [("eventbridge", "bus", "theirs"), ("sqs", "endpoint", "https://attacker.example.com"),
                                 ("pubsub", "topic", "theirs")],
)  # fmt: skip
def test_another_place_asks_for_the_credentials_beside_their_field(
    kind: str, field: str, value: str, browser: Client, shop: Shop
) -> None:
    add(browser, shop, kind)
    webhook = Webhook.objects.get(name="Cloud")
    kept = {name: text for name, text in KINDS[kind].items() if name in destination_fields.SETTINGS}
    answer = browser.post(url("change", webhook.pk), {**FORM, **kept, field: value})
    last = destination_fields.of_kind(kind)[-1]
    assert "new place" in str(errors(answer)[last])
    for page in ("preview", "test"):
        tried = browser.post(url(page, webhook.pk), {**FORM, **kept, field: value, "sample": "order.created"})
        assert "new place" in tried.content.decode()


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("eventbridge", "region", "Frankfurt"),
        ("eventbridge", "bus", ""),
        ("eventbridge", "secret_access_key", ""),
        ("eventbridge", "endpoint", "https://10.0.0.7"),
        ("sqs", "queue_url", "orders"),
        ("pubsub", "project", ""),
        ("pubsub", "service_account_key", "-----BEGIN PRIVATE KEY"),
        ("pubsub", "service_account_key", "{}"),
    ],
)
def test_a_wrong_setting_is_told_beside_it(kind: str, field: str, value: str, browser: Client, shop: Shop) -> None:
    answer = add(browser, shop, kind, **{field: value})
    assert answer.status_code == 200
    assert field in errors(answer)
    assert "BEGIN" not in str(errors(answer))


def test_what_was_typed_for_another_kind_is_dropped(browser: Client, shop: Shop) -> None:
    answer = add(browser, shop, "eventbridge", topic="x", url="http://", headers="no header", dialect="alva")
    assert "headers" in errors(answer)
    answer = add(browser, shop, "eventbridge", topic="x", url="http://", headers="X-Shop: 1", dialect="alva")
    assert answer.status_code == 302, errors(answer)
    webhook = Webhook.objects.get(name="Cloud")
    assert (webhook.dialect, webhook.headers) == ("standard", {})
    made = make_webhook(shop.merchant, name="plain")
    answer = browser.post(url("change", made.pk), {**FORM, "url": made.url, "bus": "x", "kind": "sqs"})
    assert answer.status_code == 302, errors(answer)
    made.refresh_from_db()
    assert (made.kind, made.destination, made.credentials) == ("https", {}, "")


def test_a_test_from_the_form_publishes_and_tells(browser: Client, shop: Shop) -> None:
    with clouds.pubsub() as cloud:
        settings = clouds.pubsub_settings(cloud.url)
        typed = {**FORM, "merchant": shop.merchant.pk, "kind": "pubsub", **settings["destination"],
                 "service_account_key": json.dumps(GOOGLE_KEYS), "sample": "order.created"}  # fmt: skip
        answer = browser.post(url("test", "new"), typed).content.decode()
        assert "It works" in answer
        [message] = cloud.taken
        assert message["attributes"]["webhook-test"] == "true"
        webhook = make_webhook(shop.merchant, **settings)
        cloud.revoked.add(GOOGLE_KEYS["private_key_id"])
        answer = browser.post(url("test", webhook.pk), {**FORM, **settings["destination"], "sample": "order.created"})
        assert "denied access" in answer.content.decode()
        assert "Check that the credentials are active" in answer.content.decode()
        assert "Bearer eyJ" not in answer.content.decode()


def test_who_may_only_read_sees_where_it_leads(shop: Shop) -> None:
    webhook = services.create_webhook(
        merchant=shop.merchant, events=["*"], kind="pubsub",
        destination={"project": "my-shop-123456", "topic": "orders"}, credentials=GOOGLE_KEYS,
    ).webhook  # fmt: skip
    page = sign_in(make_member(shop.merchant, "viewer")).get(url("change", webhook.pk)).content.decode()
    assert webhook.place in page
    assert encryption.decrypt(webhook.credentials) not in page
    assert GOOGLE_KEYS["private_key_id"] not in page


@pytest.mark.django_db(transaction=True)
def test_a_dead_letter_of_a_queue_leaves_its_address_to_the_webhooks_page(browser: Client, shop: Shop) -> None:
    with clouds.pubsub() as cloud:
        webhook = make_webhook(shop.merchant, **clouds.pubsub_settings(cloud.url, "invoices"))
        delivery, _attempt = attempt(webhook)
    dead_letter = DeadLetter.objects.get(delivery=delivery)
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[dead_letter.pk])
    assert "change it on the webhook" in browser.get(page).content.decode()
    browser.post(page, {"url": "https://elsewhere.example.com/", "note": "Asked them."})
    webhook.refresh_from_db()
    dead_letter.refresh_from_db()
    assert (webhook.url, dead_letter.note) == (delivery.webhook.url, "Asked them.")
