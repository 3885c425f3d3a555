"""Advice is true: every sentence about settings and answers is said where what it describes is the case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.admin import labels
from deliveries.publishing import body_sizes, publish
from deliveries.reporting import filter_explanations
from deliveries.sending import webhook_advice
from deliveries.transport import ErrorClass
from subscriptions.models import Webhook
from tests.support import api as rest
from tests.support import sentences
from tests.support.clouds import eventbridge_settings
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_api_key, make_merchant, make_webhook
from tests.support.hostile import HostileServer
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.django_db

SETTINGS: list[dict[str, Any]] = [
    {},
    {"events": ["orders.*"]},
    {"filter": "length(data.order.nothing) > `1`"},
    {"filter": "data.order.totl > `1`"},
    {"filter": "data.order.total > `100`"},
    {"filter": "event == 'order.created'"},
    {"fields": ["order.nothing"]},
    {"transform": "{n: length(data.nothing)}"},
    {"fields": ["order.total", "order.totl"]},
]


def advice(settings: dict[str, Any], *, with_event: bool = False) -> list[str]:
    values = {"events": ["order.created", "order.paid"], **settings}
    events = values.pop("events")
    webhook = Webhook(merchant=make_merchant())
    known = [each for each in events if each != "orders.*"] or ["order.created"]
    webhook = make_webhook(webhook.merchant, events=known, **values)
    if "orders.*" in events:
        webhook.subscriptions.create(merchant=webhook.merchant, pattern="orders.*")
    if with_event:
        publish("order.created", {"order": {"id": "1", "total": "120.00"}}, merchant=webhook.merchant)
    samples = webhook_advice.samples_of(webhook)
    trials = webhook_advice.trials(webhook.filter, samples)
    return [*webhook_advice.warnings(webhook), *(trial.text for trial in trials)]


def test_every_sentence_of_the_advice_is_said_by_some_settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [text for values in SETTINGS for text in advice(values, with_event=True)]
    webhook = make_webhook(events=["order.created"], **eventbridge_settings("http://127.0.0.1:9"))
    publish("order.created", {"order": {"text": "x" * 256 * 1024}}, merchant=webhook.merchant)
    said += webhook_advice.warnings(webhook)
    for days in (-1, 1):
        webhook.certificate_ends_at = datetime.now(UTC) + timedelta(days=days)
        said += webhook_advice.warnings(webhook)
    settings.WEBHOOKS_BODY_MAX = body_sizes.ENVELOPE_MAX + 100
    said += advice({"dialect": "alva", "body_style": "python"})

    monkeypatch.setattr(webhook_advice, "ADVICE_SECONDS", 0.0)
    said += advice({"filter": "data.order.total > `100`"})

    patterns = sentences.of_module(webhook_advice)
    assert len(patterns) > 8
    assert sentences.unsaid(patterns, said) == [], said
    for text in said:
        assert text.endswith("."), text


FILTERS = [
    ("data.n > `5`", "data.n is 1, the filter asks for > 5"),
    ("`5` < data.n", "one side is 5, the filter asks for < 1"),
    ("data.n == `2`", "data.n is 1, the filter asks for = 2"),
    ("data.n != `1`", "data.n is 1, the filter asks for ≠ 1"),
    ("data.n >= `2` || data.n <= `0`", "data.n is 1, the filter asks for ≥ 2; data.n is 1, the filter asks for ≤ 0"),
    ("data.n == `1` && data.s == 'b'", 'data.s is "a", the filter asks for = "b"'),
    ("contains(data.s, 'b')", "contains(data.s) is not true"),
    ("starts_with(data.s, 'b')", "starts_with(data.s) is not true"),
    ("data.empty", "data.empty is an empty list"),
    ("data.missing", "data.missing is missing"),
    ("data.no", "data.no is false"),
]


@pytest.mark.parametrize(("expression", "told"), FILTERS)
def test_a_filter_is_explained_by_what_it_found(expression: str, told: str) -> None:
    webhook = make_webhook(filter=expression)
    event = publish("order.created", {"n": 1, "s": "a", "empty": [], "no": False}, merchant=webhook.merchant)
    answer = rest.Client(make_api_key(webhook.merchant).text).get(f"/api/v1/events/{event.public_id}").json()
    assert [each["reason"] for each in answer["webhooks"]] == [f"Filtered: {told}."]


def test_every_sentence_about_filters_is_said() -> None:
    assert sentences.unsaid(sentences.of_module(filter_explanations), [told for _filter, told in FILTERS]) == []


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in(shop.people["developer"])


@pytest.fixture
def receiver() -> Iterator[TestReceiver]:
    with TestReceiver() as receiver:
        yield receiver


def diagnosed(shop: Shop, browser: Client, url: str) -> str:
    address = reverse("admin:webhooks_subscriptions_webhook_test", args=[shop.webhook.pk])
    return str(browser.post(address, {"url": url, "dialect": "standard"}).context["diagnosis"])


@pytest.mark.parametrize("status", sorted([*labels.STATUS_ADVICE, 301, 302, 418, 599]))
def test_a_test_send_says_what_an_answer_means_and_changes_nothing(
    status: int, shop: Shop, browser: Client, receiver: TestReceiver
) -> None:
    receiver.script(status, status)
    before = Webhook.objects.values().get(pk=shop.webhook.pk)

    text = diagnosed(shop, browser, receiver.url)

    assert f"Your endpoint answered {status}" in text
    assert labels.advice("http_error", status) in text
    Webhook.objects.filter(pk=shop.webhook.pk).update(url=receiver.url)
    api = rest.Client(make_api_key(shop.merchant).text)
    verdict = api.post(f"/api/v1/webhooks/{shop.webhook.public_id}/test", {}).json()["verdict"]
    for said in (text, verdict):
        for untrue in ("switched off", "was disabled", "tried again", "review", "next try"):
            assert untrue not in said, said
    Webhook.objects.filter(pk=shop.webhook.pk).update(url=before["url"])
    assert Webhook.objects.values().get(pk=shop.webhook.pk) == before


FAULTS: list[tuple[ErrorClass, Any]] = [
    (ErrorClass.CONNECT_REFUSED, "http://127.0.0.1:9/hook"),
    (ErrorClass.DNS_FAILED, "http://nowhere.localhost.invalid/hook"),
    (ErrorClass.CONNECTION_RESET, lambda connection: connection.read_request()),
    (ErrorClass.INVALID_RESPONSE, lambda connection: (connection.read_request(), connection.send(b"hello\r\n\r\n"))),
    (ErrorClass.TLS_FAILED, "https"),
]


@pytest.mark.parametrize(("error", "what"), FAULTS)
def test_a_test_send_says_what_kept_an_answer_from_coming(
    error: ErrorClass, what: Any, shop: Shop, browser: Client
) -> None:
    if callable(what) or what == "https":
        handler = what if callable(what) else lambda connection: connection.send(b"HTTP/1.1 400 Bad\r\n\r\n")
        with HostileServer(handler) as server:
            url = server.url.replace("http:", "https:") if what == "https" else server.url
            text = diagnosed(shop, browser, url)
    else:
        text = diagnosed(shop, browser, what)
    assert labels.ERRORS[error][1] in text
