"""From publish() over a real worker to a receiver that verifies as its document says."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
import standardwebhooks

from deliveries import dialects
from deliveries.models import DeadLetter
from deliveries.publishing import publish, publish_many
from deliveries.publishing.service import JsonText
from deliveries.review import manual_actions
from tests.flows.rows import attempts, delivered, wait_for_statuses
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_webhook
from tests.support.receiver import Received, TestReceiver
from tests.support.receivers import alva_sample
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import DATA

pytestmark = pytest.mark.usefixtures("running_worker")

NODE_WAYS = {
    "alva": ["alva", "alva raw", "alva field"],
    "litestore": ["litestore", "litestore raw"],
    "cryptlex": ["cryptlex"],
    "shopery": ["shopery"],
    "standard": ["standard"],
}
AT_ONCE = {"delays": [0, 0]}


def secret_of(dialect: str) -> str:
    return STANDARD_SECRET if dialect == "standard" else PLAIN_SECRET


def headers_of(received: Received) -> dict[str, str]:
    names = [name.lower() for name, _ in received.headers.items()]
    assert len(names) == len(set(names)), "no header is sent twice"
    return {name.lower(): value for name, value in received.headers.items()}


def node_accepts(received: Received, way: str, secret: str) -> Any:
    with NodeScript("verify.js") as node:
        body = base64.b64encode(received.body).decode()
        return node.ask({"way": way, "headers": headers_of(received), "body": body, "secret": secret})


def test_every_dialect_of_the_product_is_driven_here():
    assert set(NODE_WAYS) == {name for name, _label in dialects.CHOICES}


@pytest.mark.parametrize("dialect", NODE_WAYS)
def test_what_arrives_over_http_verifies_as_the_dialects_document_says(merchant, dialect):
    secret = secret_of(dialect)
    with TestReceiver(dialect=dialect, secret=secret) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, dialect=dialect, secret=secret, events=["order.created"])
        event = publish("order.created", JsonText(DATA), merchant=merchant)
        [received] = receiver.wait_for(1)
        [delivery] = delivered(webhook)

    assert receiver.problems == []
    assert received.message_id == event.public_id
    for way in NODE_WAYS[dialect]:
        assert node_accepts(received, way, secret) is True, way
        assert node_accepts(received, way, secret[:-2] + "x=") is not True, f"{way} accepts anything"

    [attempt] = attempts(webhook)
    assert (delivery.attempt_count, attempt.status_code, attempt.error) == (1, 200, "")
    assert attempt.digest == hashlib.sha256(received.body).hexdigest()
    assert secret not in attempt.request_headers


def test_alvas_python_sample_accepts_the_raw_body(merchant):
    with TestReceiver() as receiver:
        make_webhook(merchant, url=receiver.url, dialect="alva", secret=PLAIN_SECRET)
        publish("order.created", JsonText(DATA), merchant=merchant)
        [received] = receiver.wait_for(1)
    signature = received.headers["X-Alva-HMAC-SHA256"]
    assert alva_sample.verify_raw_body(received.body, signature, PLAIN_SECRET)
    assert not alva_sample.verify_raw_body(received.body + b" ", signature, PLAIN_SECRET)


def test_alvas_printed_python_sample_accepts_the_body_written_in_pythons_style(merchant):
    with TestReceiver() as receiver:
        make_webhook(merchant, url=receiver.url, dialect="alva", secret=PLAIN_SECRET, body_style="python")
        publish("order.created", JsonText(DATA), merchant=merchant)
        [received] = receiver.wait_for(1)
    signature = received.headers["X-Alva-HMAC-SHA256"]
    assert alva_sample.verify_webhook(json.loads(received.body), signature, PLAIN_SECRET)


def test_the_standard_webhooks_library_accepts_what_arrives_and_refuses_it_changed(merchant):
    with TestReceiver() as receiver:
        make_webhook(merchant, url=receiver.url, secret=STANDARD_SECRET)
        publish("order.created", JsonText(DATA), merchant=merchant)
        [received] = receiver.wait_for(1)
    library = standardwebhooks.Webhook(STANDARD_SECRET)
    assert library.verify(received.body, headers_of(received))["data"] == json.loads(DATA)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        library.verify(received.body + b" ", headers_of(received))


def test_a_failing_endpoint_that_recovers_gets_the_same_message_on_each_attempt(merchant):
    with TestReceiver(fail=2) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=AT_ONCE)
        event = publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
        [delivery] = delivered(webhook)
    assert receiver.statuses == [503, 503, 200]
    assert receiver.message_ids == [event.public_id] * 3
    assert [received.headers["webhook-attempt"] for received in receiver.requests] == ["1", "2", "3"]
    assert [attempt.number for attempt in attempts(webhook)] == [1, 2, 3]
    assert delivery.attempt_count == 3


def test_an_endpoint_that_never_recovers_fills_the_review_queue_and_a_replay_delivers_once_it_is_mended(merchant):
    with TestReceiver(fail=99) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=AT_ONCE)
        event = publish("order.created", {"order": {"id": "1"}}, merchant=merchant)
        wait_for_statuses(webhook, {"dead": 1})
        dead_letter = DeadLetter.objects.get(webhook=webhook)
        assert (dead_letter.status_code, dead_letter.resolved_at) == (503, None)

        receiver.repair()
        manual_actions.replay(delivery=dead_letter.delivery, by="ada", note="fixed")
        delivered(webhook)
    dead_letter.refresh_from_db()
    assert (dead_letter.resolution, dead_letter.resolved_by, dead_letter.note) == ("replayed", "ada", "fixed")
    assert receiver.message_ids == [event.public_id] * 4, "a replay keeps the message id"
    assert [attempt.number for attempt in attempts(webhook)] == [1, 2, 3, 4]


def test_a_batch_reaches_every_webhook_that_listens_to_it_and_each_message_comes_once(merchant):
    with TestReceiver() as all_events, TestReceiver() as orders_only:
        everything = make_webhook(merchant, url=all_events.url, events=["*"])
        orders = make_webhook(merchant, url=orders_only.url, events=["order.*"])
        events = [{"event": name, "data": {"n": n}} for n in range(50) for name in ("order.paid", "file.updated")]
        publish_many(events, merchant=merchant)
        delivered(everything, 100)
        delivered(orders, 50)
    assert len(set(all_events.message_ids)) == len(all_events.message_ids) == 100
    assert len(set(orders_only.message_ids)) == len(orders_only.message_ids) == 50
    assert {received.headers["webhook-event"] for received in orders_only.requests} == {"order.paid"}
