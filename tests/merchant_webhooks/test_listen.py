"""`merchant-webhooks-listen`: a feed's live events at a local server, with signatures that verify there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deliveries.models import Delivery
from deliveries.publishing import publish
from subscriptions import limits, services
from subscriptions.models import Webhook
from subscriptions.services import NewMerchant
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_api_key, make_webhook
from tests.support.processes import ROOT, wait_for
from tests.support.receiver import TestReceiver
from tests.support.web_server import Running, running
from webhooks_project.embedded import free_port

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = "order.created"
SECRETS = {
    "standard": STANDARD_SECRET, "alva": PLAIN_SECRET, "litestore": PLAIN_SECRET, "cryptlex": PLAIN_SECRET,
    "shopery": PLAIN_SECRET,
}  # fmt: skip
_BARE = (
    "import sys; sys.modules.update(dict.fromkeys(('django', 'deliveries', 'subscriptions', 'webhooks_project')));"
    f"sys.path.insert(0, {str(ROOT)!r}); from merchant_webhooks.listen import main; sys.exit(main())"
)
"""Runs the command where the service can't be imported."""


@pytest.fixture
def shop(transactional_db: None) -> NewMerchant:
    limits.forget_rates()
    return services.create_merchant(name="Shop", email="owner@shop.example", domain="shop.example")


@pytest.fixture
def web(transactional_db: None) -> Iterator[Running]:
    with running() as server:
        yield server


class Listening:
    """The command in a process of its own; `output` is what it has printed."""

    def __init__(self, *arguments: str) -> None:
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.popen = subprocess.Popen(
            [sys.executable, "-I", "-c", _BARE, *arguments], stdout=self._out, stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
        )  # fmt: skip

    @property
    def output(self) -> str:
        return os.pread(self._out.fileno(), 1 << 20, 0).decode()

    def says(self, text: str) -> None:
        wait_for(lambda: text in self.output or self.popen.poll() is not None, 15, f"{text!r} in {self.output!r}")
        assert text in self.output

    def ends(self) -> int:
        return self.popen.wait(20)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def close(self) -> None:
        self.kill()
        self._out.close()


Start = Callable[..., Listening]


@pytest.fixture
def start(web: Running, shop: NewMerchant, tmp_path: Path) -> Iterator[Start]:
    started: list[Listening] = []

    def begin(*arguments: str, key: str = "") -> Listening:
        given = ("--api", f"http://localhost:{web.port}", "--api-key", key or shop.api_key)
        if "--state" not in arguments:
            given += ("--state", str(tmp_path / "state.json"))
        started.append(Listening(*given, *arguments))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def make_feed(shop: NewMerchant, **settings: Any) -> Webhook:
    return make_webhook(shop.merchant, kind="pull", url="", **settings)


def to(receiver: TestReceiver, webhook: Webhook) -> tuple[str, ...]:
    return "--forward-to", receiver.url, "--webhook", webhook.public_id


def published(shop: NewMerchant, count: int = 1) -> list[str]:
    return [publish(EVENT, {"n": n, "name": "Žluť 🐎"}, merchant=shop.merchant).public_id for n in range(count)]


@pytest.mark.parametrize("dialect", SECRETS)
def test_live_events_arrive_with_valid_signatures_in_each_dialect(shop, start, dialect):
    webhook = make_feed(shop, dialect=dialect, secret=SECRETS[dialect], headers={"X-Shop": "42"})
    key = make_api_key(shop.merchant, scopes=["receive"]).text
    with TestReceiver(dialect=dialect, secret=SECRETS[dialect]) as receiver:
        listening = start(*to(receiver, webhook), key=key)
        listening.says("Forwarding")
        [event] = published(shop)
        [received] = receiver.wait_for(1)
        assert (received.problem, received.message_id, received.headers["X-Shop"]) == ("", event, "42")
        assert "requests" not in received.headers["User-Agent"]
        listening.says(f"{EVENT} {event}")
        listening.says("→ 200 in ")
        wait_for(lambda: Delivery.objects.get().status == "delivered", 5, "the acknowledgement")


def test_it_makes_its_webhook_once_and_goes_on_with_it_after_a_restart(shop, start):
    with TestReceiver(dialect="alva", secret=PLAIN_SECRET) as receiver:
        given = ("--forward-to", receiver.url, "--events", "order.*", "--dialect", "alva", "--secret", PLAIN_SECRET)
        first = start(*given)
        first.says("Forwarding")
        webhook = Webhook.objects.get()
        assert (webhook.kind, webhook.dialect) == ("pull", "alva")
        assert f"Made the webhook {webhook.public_id}" in first.output
        assert f"shown this once: {PLAIN_SECRET}" in first.output
        ids = published(shop, 2)
        receiver.wait_for(2)
        first.says(ids[1])
        first.kill()
        ids += published(shop, 2)
        publish("download.accessed", {"n": 1}, merchant=shop.merchant)
        second = start(*given)
        second.says(ids[-1])
        assert Webhook.objects.count() == 1
        assert list(dict.fromkeys(receiver.message_ids)) == ids
        assert receiver.problems == []
        assert len(receiver.requests) <= 5, "but for the one in hand when it was killed"


def test_what_comes_while_the_local_server_is_down_waits(shop, start):
    webhook, port = make_feed(shop), free_port()
    listening = start("--forward-to", f"http://127.0.0.1:{port}/hooks", "--webhook", webhook.public_id)
    ids = published(shop, 2)
    listening.says("can't be reached")
    assert Delivery.objects.filter(status="pending").count() == 2
    with TestReceiver(port=port) as receiver:
        receiver.wait_for(2)
        assert receiver.message_ids == ids


@pytest.mark.parametrize("status", [302, 401, 500])
def test_whatever_the_local_server_answers_is_printed_and_the_next_event_follows(shop, start, status):
    webhook = make_feed(shop)
    with TestReceiver() as receiver:
        receiver.script(status)
        listening = start(*to(receiver, webhook))
        first, second = published(shop, 2)
        listening.says(second)
        assert [line.rpartition("→ ")[2].split()[0] for line in listening.output.splitlines() if "→" in line] == [
            str(status), "200",
        ]  # fmt: skip
        assert first in listening.output


def test_an_event_is_replayed_by_its_deliverys_id_or_its_own(shop, start):
    webhook = make_feed(shop)
    with TestReceiver() as receiver:
        listening = start(*to(receiver, webhook))
        [event] = published(shop)
        listening.says(event)
        wait_for(lambda: Delivery.objects.get().status == "delivered", 5, "the acknowledgement")
        for number, wanted in enumerate((Delivery.objects.get().public_id, event), 2):
            asked = start("--replay", wanted)
            assert asked.ends() == 0, asked.output
            receiver.wait_for(number)
            wait_for(lambda: Delivery.objects.get().status == "delivered", 5, "the acknowledgement")
        assert set(receiver.message_ids) == {event}
        asked = start("--replay", "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
        assert asked.ends() == 1
        assert "none of yours with this id" in asked.output


def test_a_place_that_is_unknown_by_now_is_left_and_it_goes_on(shop, start, tmp_path):
    webhook = make_feed(shop)
    state = tmp_path / "old.json"
    state.write_text(json.dumps({"webhook": webhook.public_id, "cursor": "99-1-ABCDEF"}))
    [event] = published(shop)
    with TestReceiver() as receiver:
        listening = start(*to(receiver, webhook), "--state", str(state))
        listening.says("doesn't know where we were")
        listening.says(event)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--forward-to", "http://localhost:1/", "--api-key", "ak_live_wrong"), 1, "answered 401"),
        (("--forward-to", "http://localhost:1/", "--webhook", "wbh_01HA4XCG60CT4G3EWF4CKYM1MF"), 1, "answered 404"),
        (("--forward-to", "http://localhost:1/", "--events", "no.such.event"), 1, "answered 422"),
        ((), 2, "--forward-to is needed"),
        (("--forward-to", "http://localhost:1/", "--state", "/dev/null/x"), 1, "can't be read"),
    ],
    ids=lambda value: "" if isinstance(value, int) else str(value)[:40],
)
def test_what_trying_again_does_not_help_ends_it_in_plain_words(shop, start, arguments, code, told):
    listening = start(*arguments)
    assert listening.ends() == code
    assert told in listening.output
    assert "Traceback" not in listening.output


def test_an_endpoints_webhook_has_no_feed(shop, start):
    webhook = make_webhook(shop.merchant)
    listening = start("--forward-to", "http://localhost:1/", "--webhook", webhook.public_id)
    assert listening.ends() == 1
    assert "Only one of the kind pull has a feed" in listening.output
