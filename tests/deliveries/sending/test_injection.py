"""Texts that try to be something else on the wire: headers within headers, bombs in bodies, bodies that grow."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from deliveries import dialects
from deliveries.db.sessions import clock
from deliveries.models import Event
from deliveries.publishing import publish
from deliveries.queueing.claims import Claimed
from deliveries.sending.process_transport import transport
from deliveries.sending.rendering import render
from subscriptions.models import Merchant, Webhook
from tests.support.engine import claim_one, due_one
from tests.support.factories import make_api_key, make_merchant, make_webhook
from tests.support.hostile import HostileServer, answers

pytestmark = pytest.mark.django_db

SPLIT = "x\r\nX-Injected: 1\r\n\r\nPOST /other HTTP/1.1"
BOMB = gzip.compress(bytes(64 * 1024**2))
"""64 MiB of zeros in 64 KiB."""


def sent_heads(server: HostileServer, row: Claimed) -> list[bytes]:
    """Render and send as a worker does; return the heads that arrived."""
    try:
        request = render(row, row.data, clock.at(time.monotonic()))
    except ValueError:
        return []
    transport().send(request)
    return [received.head for received in server.requests]


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"X-Shop": SPLIT}, {"X-A\r\nX-Injected": "1"}, {"X-A: 1\nX-Injected": "1"}])
def test_custom_headers_that_hold_others_are_refused_when_saved(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="headers"):
        make_webhook(headers=headers)


@pytest.mark.parametrize("name", ["id", "resource_id", "event"])
def test_nothing_that_is_published_can_bring_a_header(name: str) -> None:
    """Refused, or not in a header at all."""
    with HostileServer(answers()) as server:
        webhook = make_webhook(url=server.url)
        given: dict[str, Any] = {"event": "order.created", "data": {"n": 1}, name: SPLIT}
        try:
            publish(given.pop("event"), given.pop("data"), merchant=webhook.merchant, **given)
        except ValidationError:
            assert not Event.objects.exists()
            return
        row = claim_one(webhook.deliveries.get())
        [head] = sent_heads(server, row)
    assert b"injected" not in head.lower()


@pytest.mark.parametrize("dialect", dialects.NAMES)
@pytest.mark.parametrize("place", ["headers", "domain", "api_version", "event_type"])
def test_what_slipped_into_the_rows_stops_before_the_wire(dialect: str, place: str) -> None:
    """As if a release before had stored it, or somebody wrote into the database."""
    with HostileServer(answers()) as server:
        delivery = due_one(make_webhook(url=server.url, dialect=dialect))
        match place:
            case "headers":
                Webhook.objects.update(headers={"X-Shop": SPLIT})
            case "domain":
                Merchant.objects.update(domain=SPLIT)
            case "api_version":
                Webhook.objects.update(api_version=SPLIT[:20])
        row = claim_one(delivery)
        heads = sent_heads(server, replace(row, event_type=SPLIT) if place == "event_type" else row)
    assert len(server.requests) <= 1
    for head in heads:
        lines = head.decode("latin-1").split("\r\n")
        assert not any(line.lower().startswith(("x-injected", "post /other")) for line in lines[1:])


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "zstd"])
def test_a_receivers_decompression_bomb_stays_packed(coding: str) -> None:
    with HostileServer(answers(body=BOMB, headers=f"Content-Encoding: {coding}\r\n")) as server:
        row = claim_one(due_one(make_webhook(url=server.url)))
        outcome = transport().send(render(row, row.data, clock.at(time.monotonic())))
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert outcome.delivered
    assert outcome.body == BOMB[:4096]
    assert outcome.body_bytes_read <= 64 * 1024


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_callers_decompression_bomb_is_no_json(coding: str) -> None:
    answer = Client().post(
        "/api/v1/events",
        BOMB,
        content_type="application/json",
        headers={"Content-Encoding": coding, "Authorization": f"Bearer {make_api_key().text}"},
    )
    assert answer.status_code in {400, 415}
    assert not Event.objects.exists()


def test_a_body_that_grows_past_the_limit_by_its_escapes_is_not_sent(settings: Any) -> None:
    """Python's style writes six bytes where JSON's needs two. Publishing refuses it, unless the style changed since."""
    settings.WEBHOOKS_BODY_MAX = 20_000
    webhook = make_webhook(make_merchant(), dialect="alva", body_style="compact")
    publish("order.created", {"name": "ü" * 5_000}, merchant=webhook.merchant)
    row = claim_one(webhook.deliveries.get())
    assert len(row.data.encode()) < settings.WEBHOOKS_BODY_MAX
    assert json.loads(render(row, row.data, clock.at(time.monotonic())).body)
    changed = replace(row, webhook=replace(row.webhook, body_style="python"))
    with pytest.raises(ValueError, match=r"the body has 30\d\d\d bytes; at most 20000 are sent"):
        render(changed, row.data, clock.at(time.monotonic()))
    with pytest.raises(ValidationError, match="body style"):
        publish(
            "order.created", {"name": "ü" * 5_000}, merchant=make_webhook(dialect="alva", body_style="python").merchant
        )
