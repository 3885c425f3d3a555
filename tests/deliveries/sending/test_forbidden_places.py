"""Promise 7 through the whole house: names that led to a public place when saved, and lead elsewhere when sent to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError

from deliveries.models import Attempt, Delivery
from deliveries.publishing import publish
from deliveries.sending import process_transport
from deliveries.sending.process_transport import address_policy
from deliveries.transport import Transport, urls
from deliveries.transport.resolver import Resolver
from deliveries.worker import dispatcher
from deliveries.worker.engine import _made, engine
from subscriptions.models import Webhook
from tests.support.factories import make_merchant, make_webhook
from tests.support.forbidden import ADDRESSES, HOSTS, as_host, watched_sockets
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = "93.184.216.34"


class Names:
    """The name servers of the world, which may change their mind."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def lookup(self, host: str, port: int) -> list[Any]:
        self.asked.append(host)
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.answers[host]
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Names]:
    """Production's rules, and name servers that answer as we please, for savers and senders."""
    settings.WEBHOOKS_REQUIRE_HTTPS, settings.WEBHOOKS_ALLOWED_NETWORKS = True, []
    monkeypatch.setattr(dispatcher, "IDLE", 0.1)
    names = Names()
    resolver, transport = Resolver(names.lookup, threads=1), Transport(address_policy(), lookup=names.lookup)
    monkeypatch.setattr(urls, "_saving_resolver", lambda: resolver)
    monkeypatch.setattr(process_transport, "_made", lambda: transport)
    _made.cache_clear()
    yield names
    assert engine().stop(20)
    _made.cache_clear()
    transport.close()


def send_everything(webhooks: list[Webhook]) -> list[Any]:
    """Publish one event to all of them and work it off; return the addresses that anything was sent to."""
    publish("order.created", {"n": 1}, merchant=webhooks[0].merchant)
    with watched_sockets() as reached:
        for _ in range(50):  # a webhook's window, and a second for those just tried
            dispatcher.work([webhook.pk for webhook in webhooks])
            if Attempt.objects.count() >= len(webhooks):
                break
        wait_for(lambda: Attempt.objects.count() >= len(webhooks), 60, "an attempt of each")
    return reached


def refused_only(reached: list[Any], settings: Any) -> None:
    redis = urlsplit(settings.REDIS_URL)
    others = [address for address in reached if not isinstance(address, tuple) or address[1] != redis.port]
    assert others == []  # ours to Redis aside; libpq's don't pass Python's sockets
    errors = Attempt.objects.values_list("error", flat=True)
    assert set(errors) == {"address_refused"}
    assert set(Attempt.objects.exclude(detail="").values_list("delivery_id", flat=True)) == set(
        Delivery.objects.values_list("pk", flat=True)
    )


def test_names_that_change_after_saving_are_refused_at_each_connect_and_nothing_leaves(
    names: Names, settings: Any
) -> None:
    """The whole table, alone and behind a public address."""
    merchant, webhooks = make_merchant(), []
    for number, (_kind, address) in enumerate(ADDRESSES):
        for name, later in ((f"a{number}.example", [address]), (f"b{number}.example", [PUBLIC, address])):
            names.answers[name] = [PUBLIC]
            webhooks.append(make_webhook(merchant, url=f"https://{name}/hook"))
            names.answers[name] = later
    refused_only(send_everything(webhooks), settings)


def test_hosts_stored_before_the_rules_were_stricter_are_refused_unasked(names: Names, settings: Any) -> None:
    merchant, webhooks = make_merchant(), []
    for host in [as_host(address) for _, address in ADDRESSES] + [host for _, host in HOSTS]:
        names.answers["fine.example"] = [PUBLIC]
        webhook = make_webhook(merchant, url="https://fine.example/hook")
        Webhook.objects.filter(pk=webhook.pk).update(url=f"https://{host}/hook")
        webhooks.append(webhook)
    names.asked.clear()
    refused_only(send_everything(webhooks), settings)
    assert names.asked == []


@pytest.mark.parametrize(("kind", "address"), ADDRESSES)
def test_a_name_that_leads_to_a_forbidden_place_is_refused_when_saved(names: Names, kind: str, address: str) -> None:
    names.answers["shop.example"] = [PUBLIC, address]
    with pytest.raises(ValidationError, match=r"shop\.example resolves to .*reachable from the internet"):
        make_webhook(url="https://shop.example/hook")
    assert not Webhook.objects.exists()


def test_a_name_that_cannot_be_looked_up_when_saved_is_no_reason_to_refuse(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be set up later; each send asks anew."""
    make_webhook(url="https://not-yet.example/hook")
    monkeypatch.setattr(urls, "CHECK_RESOLVE_SECONDS", 0.0)
    make_webhook(url="https://slow.example/hook")
    assert names.asked[0] == "not-yet.example"
