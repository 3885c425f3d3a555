"""Endpoints that ask who we are, with a real worker: tokens and certificates end, rotate and fail amid traffic."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.models import Attempt
from deliveries.publishing import publish
from subscriptions import services
from subscriptions.models import Webhook
from tests.flows.rows import attempts, delivered
from tests.support.authority import Authority
from tests.support.factories import make_webhook
from tests.support.hostile import Connection, HostileServer
from tests.support.processes import Process, environment, wait_for, worker
from tests.support.token_server import TokenServer, protected_by

QUICKLY = {"delays": [0.2] * 19}
"""Retries that outlast every outage here."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusting_worker(house: dict[str, str], authority: Authority) -> Iterator[Process]:
    """A worker that trusts the authority."""
    with worker(environment(**house, WEBHOOKS_CA_FILE=authority.ca_file)) as child:
        yield child


pytestmark = pytest.mark.usefixtures("trusting_worker")


class Traffic:
    """Publishes events one after the other, and knows which."""

    def __init__(self, merchant: Any) -> None:
        self._merchant = merchant
        self.ids: list[str] = []

    def flow(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.ids.append(publish("order.created", {"n": len(self.ids)}, merchant=self._merchant).public_id)
            time.sleep(0.02)


def errors(webhook: Webhook) -> Counter[str]:
    return Counter(attempt.error for attempt in attempts(webhook))


def details(webhook: Webhook, error: str) -> set[str]:
    return set(Attempt.objects.filter(webhook=webhook, error=error).values_list("detail", flat=True))


def test_tokens_end_rotate_and_fail_amid_traffic_and_no_event_is_lost(merchant: Any) -> None:
    with TokenServer(lifetime=1.0) as server, protected_by(server) as endpoint:
        webhook = make_webhook(
            merchant, url=f"{endpoint.url}/hooks", retry_policy=QUICKLY, max_in_flight=50, **server.settings()
        )
        traffic = Traffic(merchant)
        traffic.flow(2.5)  # tokens end
        server.revoke()
        traffic.flow(0.5)
        server.answers_with(503)
        server.revoke()
        traffic.flow(1.5)
        server.answers_with(None)
        traffic.flow(0.5)
        server.secret = "rotated"  # at the token server first, and a moment later in the webhook
        server.revoke()
        traffic.flow(1.5)
        services.update_webhook(webhook=webhook, credentials={"client_secret": "rotated"})
        traffic.flow(1.0)
        delivered(webhook, len(traffic.ids), seconds=60)
        assert set(traffic.ids) == set(endpoint.ids)
        assert server.most_at_once == 1
        assert len(server.given) < 30
    found = errors(webhook)
    assert found["token_unavailable"] > 0
    assert found["token_refused"] > 0
    assert all("It answered 503" in text for text in details(webhook, "token_unavailable"))
    assert all("invalid_client (401)" in text for text in details(webhook, "token_refused"))
    assert set(found) <= {"", "token_unavailable", "token_refused", "http_error"}


def test_a_token_server_that_stops_answering_holds_up_no_other_webhook(merchant: Any) -> None:
    with TokenServer(delay=30) as silent, TokenServer() as server, protected_by(server) as endpoint:
        waiting = make_webhook(merchant, url=f"{endpoint.url}/w", retry_policy=QUICKLY, **silent.settings())
        other = make_webhook(merchant, url=f"{endpoint.url}/o", **server.settings())
        began = time.monotonic()
        for n in range(100):
            publish("order.created", {"n": n}, merchant=merchant)
        delivered(other, 100)
        assert time.monotonic() - began < 10
        wait_for(lambda: errors(waiting)["token_unavailable"] > 0, 20, "a failed attempt")
        services.delete_webhook(webhook=waiting)


class Guarded:
    """An endpoint that asks for a client certificate; whose it takes can be changed. `ids` are what it took."""

    def __init__(self, authority: Authority) -> None:
        self.context = authority.asks("127.0.0.1")
        self.ids: list[str] = []
        self.serials: set[str] = set()
        self.revoked: set[str] = set()
        self.server = HostileServer(self.handle, tls=self.context)

    def handle(self, connection: Connection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)
        shown = connection.sock.getpeercert() or {}
        serial = str(shown.get("serialNumber"))
        while True:
            request = connection.read_request()
            if serial in self.revoked:
                connection.answer("403 Forbidden", b"this certificate was revoked")
                continue
            self.serials.add(serial)
            self.ids.append(request.headers["webhook-id"])
            connection.answer()


def test_certificates_are_rotated_revoked_and_refused_amid_traffic_and_no_event_is_lost(
    merchant: Any, authority: Authority, tmp_path: Any
) -> None:
    def way(owner: Authority) -> dict[str, Any]:
        chain, key = owner.client()
        return {"sign_in": {"method": "certificate", "certificate": chain}, "credentials": {"private_key": key}}

    guarded = Guarded(authority)
    with guarded.server as server:
        webhook = make_webhook(merchant, url=server.url, retry_policy=QUICKLY, **way(authority))
        traffic = Traffic(merchant)
        traffic.flow(1.0)
        services.update_webhook(webhook=webhook, **way(authority))  # rotated
        traffic.flow(1.0)
        wait_for(lambda: len(guarded.serials) == 2, 10, "the second certificate")
        guarded.revoked |= guarded.serials
        traffic.flow(1.0)
        services.update_webhook(webhook=webhook, **way(Authority(tmp_path)))  # of an authority it doesn't know
        traffic.flow(1.5)
        services.update_webhook(webhook=webhook, **way(authority))
        traffic.flow(0.5)
        delivered(webhook, len(traffic.ids), seconds=60)
        assert set(traffic.ids) == set(guarded.ids)
        assert len(guarded.serials) == 3
        assert server.failures == []
    found = errors(webhook)
    assert found["http_error"] > 0
    assert found["certificate_refused"] > 0
    assert all("does not know the authority" in text for text in details(webhook, "certificate_refused"))
    assert set(found) <= {"", "http_error", "certificate_refused", "connection_reset"}
    hint = "It may not have accepted the client certificate."  # its alert was lost with the connection
    assert all(hint in text for text in details(webhook, "connection_reset"))
