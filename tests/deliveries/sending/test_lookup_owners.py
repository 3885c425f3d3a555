"""Hosts of a webhook are looked up in its merchant's share, so that silent name servers cost others little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from deliveries.queueing.webhook_settings import WebhookSettings, settings_of
from deliveries.sending import process_transport
from deliveries.sending.destinations import oauth2
from deliveries.transport import Transport
from subscriptions import encryption
from tests.deliveries.transport.conftest import LOOPBACK
from tests.support.clouds import eventbridge_settings, pubsub_settings, sqs_settings
from tests.support.factories import STANDARD_SECRET, make_merchant, make_webhook
from tests.support.hostile import HostileServer, answers
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """For whom the process's transport looks names up."""
    owners: list[Any] = []
    transport = Transport(LOOPBACK, lookup=lambda host, port: [(2, 1, 6, "", ("127.0.0.1", port))])
    begin = transport._resolver.begin
    monkeypatch.setattr(
        transport._resolver, "begin", lambda host, port, owner=None: owners.append(owner) or begin(host, port, owner)
    )
    monkeypatch.setattr(process_transport, "_made", lambda: transport)
    yield owners
    transport.close()


@pytest.mark.parametrize(
    "kind",
    [
        lambda base: {"url": f"{base}/hook"},
        eventbridge_settings,
        lambda base: sqs_settings(f"{base}/000000000000/orders"),
        pubsub_settings,
    ],
    ids=["https", "eventbridge", "sqs", "pubsub"],
)
def test_a_delivery_is_looked_up_in_its_merchants_share(owners: list[Any], kind: Any) -> None:
    merchant = make_merchant()
    with HostileServer(answers(status="200 OK")) as server:
        attempt(make_webhook(merchant, **kind(f"http://receiver.example:{server.port}")))
    assert owners == [merchant.pk]


def test_a_token_server_is_looked_up_in_its_merchants_share() -> None:
    webhook: WebhookSettings = settings_of(make_webhook(make_merchant()), [STANDARD_SECRET])
    signs_in = replace(
        webhook,
        sign_in={"method": "oauth2", "token_url": "https://login.example/token", "client_id": "us"},
        sealed_credentials=encryption.encrypt(json.dumps({"client_secret": "secret"})),
    )
    assert oauth2.token_request(signs_in).lookup_owner == webhook.merchant_id
