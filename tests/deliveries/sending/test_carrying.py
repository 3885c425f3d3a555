"""Tokens of OAuth 2 in a process: shared, fetched once at a time, on nobody's thread, anew after a 401, once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.dialects.base import USER_AGENT
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending import carrying
from deliveries.sending.carrying import Tokens
from deliveries.transport import Outcome, Request
from subscriptions import encryption
from tests.support.token_server import ProtectedEndpoint, TokenServer, protected_by


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as running:
        yield running


@pytest.fixture
def endpoint(server: TokenServer) -> Iterator[ProtectedEndpoint]:
    with protected_by(server) as running:
        yield running


class Webhook:
    """A webhook's settings, and what came of the requests it sent."""

    def __init__(self, url: str, given: dict[str, Any], *, number: int = 1, tokens: Tokens | None = None) -> None:
        self.settings = WebhookSettings(
            webhook_id=number, merchant_id=1, merchant="mch_1", domain="", webhook=f"wbh_{number}", url=url,
            dialect="standard", body_style="compact", api_version="", headers={}, retry_policy=None, timeout=10.0,
            cap=20, fields=[], sealed=[], sign_in=given["sign_in"],
            sealed_credentials=encryption.encrypt(json.dumps(given["credentials"])),
        )  # fmt: skip
        self.tokens = tokens or Tokens()
        self.outcomes: list[tuple[Outcome, Request | None]] = []
        self.late = 0

    def send(self, number: int = 1, **options: Any) -> None:
        request = Request(self.settings.url, [("webhook-id", f"evt_{number}"), ("User-Agent", USER_AGENT)], b"{}",
                          3.0, 10.0, self.settings.webhook_id)  # fmt: skip
        carrying.submit(
            request, self.settings, lambda *found: self.outcomes.append(found), tokens=self.tokens,
            too_late=self._too_late, **options,
        )  # fmt: skip

    def statuses(self, count: int, seconds: float = 20) -> list[int | None]:
        until = time.monotonic() + seconds
        while len(self.outcomes) + self.late < count and time.monotonic() < until:
            time.sleep(0.005)
        return [outcome.status_code for outcome, _request in self.outcomes]

    def _too_late(self) -> None:
        self.late += 1


def test_many_deliveries_at_once_share_one_token_and_one_fetch(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    server.delay = 0.2
    webhook = Webhook(endpoint.url, server.settings())
    for number in range(100):
        webhook.send(number)
    assert webhook.statuses(100) == [200] * 100
    assert (len(server.given), server.most_at_once) == (1, 1)
    webhook.send(100)
    assert webhook.statuses(101)[-1] == 200
    assert len(server.given) == 1


def test_a_token_server_that_takes_its_time_holds_up_nobody(server: TokenServer, endpoint: ProtectedEndpoint) -> None:
    with TokenServer(delay=3.0) as slow:
        waiting = Webhook(endpoint.url, slow.settings(), number=2)
        threads = threading.active_count()
        began = time.monotonic()
        for number in range(200):
            waiting.send(number)
        other = Webhook(endpoint.url, server.settings(), number=1)
        other.send()
        assert other.statuses(1) == [200]
        assert time.monotonic() - began < 2.0
        assert threading.active_count() - threads < 20  # the servers' own
        assert waiting.outcomes == []


def test_a_token_is_used_until_shortly_before_its_end_and_then_fetched_anew(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    server.lifetime = server.says = 1.0
    webhook = Webhook(endpoint.url, server.settings())
    until = time.monotonic() + 3.2
    sent = 0
    while time.monotonic() < until:
        webhook.send(sent)
        sent += 1
        time.sleep(0.02)
    assert set(webhook.statuses(sent)) == {200}
    assert endpoint.refused == []  # a tenth of its life is left when it goes
    assert 3 <= len(server.given) <= 5


def test_a_token_that_is_refused_after_it_worked_is_fetched_anew_within_the_attempt(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send(1)
    assert webhook.statuses(1) == [200]
    server.revoke()
    for number in range(2, 22):
        webhook.send(number)
    assert webhook.statuses(21) == [200] * 21
    assert len(server.given) == 2
    assert len(set(endpoint.ids)) == 21
    assert all(request is not None and server.given[1] in dict(request.headers)["Authorization"]
               for _outcome, request in webhook.outcomes[1:])  # fmt: skip


def test_an_endpoint_that_refuses_every_token_has_them_fetched_once_and_not_for_ever(
    server: TokenServer, endpoint: ProtectedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send()
    assert webhook.statuses(1) == [200]
    endpoint.refuses_all = True
    for number in range(30):
        webhook.send(number)
        webhook.statuses(2 + number)
    assert webhook.statuses(31) == [200] + [401] * 30
    assert len(server.given) == 2
    monkeypatch.setattr(carrying, "UNPROVEN_FOR", 0.0)
    webhook.send(50)
    assert webhook.statuses(32)[-1] == 401
    assert len(server.given) == 3
    endpoint.refuses_all = False
    webhook.send(51)
    assert webhook.statuses(33)[-1] == 200


def test_a_fetch_that_failed_fails_all_that_waited_and_is_tried_again_after_a_moment(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    server.answers_with(503, delay=0.2)
    webhook = Webhook(endpoint.url, server.settings())
    for number in range(50):
        webhook.send(number)
    assert webhook.statuses(50) == [None] * 50
    assert {str(outcome.error) for outcome, _request in webhook.outcomes} == {"token_unavailable"}
    assert all(request is None for _outcome, request in webhook.outcomes)
    server.answers_with(None)
    webhook.send(50)
    assert webhook.statuses(51)[-1] is None  # the failure of a moment ago still speaks
    time.sleep(carrying.FAILED_FOR)
    webhook.send(51)
    assert webhook.statuses(52)[-1] == 200


def test_a_delivery_whose_claim_no_longer_allows_it_is_given_back_unsent(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send(may_send=lambda: False)
    assert webhook.statuses(1) == []
    assert webhook.late == 1
    assert endpoint.taken + endpoint.refused == []
    webhook.send()
    assert webhook.statuses(2) == [200]
    assert len(server.given) == 1


def test_a_401_stands_where_the_claim_allows_no_second_request(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send()
    assert webhook.statuses(1) == [200]
    server.revoke()
    allowed = iter([True, False])
    webhook.send(may_send=lambda: next(allowed))
    assert webhook.statuses(2) == [200, 401]
    assert webhook.late == 0
    webhook.send()
    assert webhook.statuses(3)[-1] == 200  # the refused token was forgotten all the same


def test_other_credentials_or_another_server_get_a_token_of_their_own(
    server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    tokens = Tokens()
    for given in (server.settings(), server.settings(), server.settings(scope="")):
        webhook = Webhook(endpoint.url, given, tokens=tokens)
        webhook.send()
        assert webhook.statuses(1) == [200]
    assert len(server.given) == 3  # encrypted anew, credentials are others


@pytest.mark.parametrize("says", [None, "3600", "soon", -5, 0, 1e300, float("nan"), True, [], {}])
def test_whatever_a_server_says_of_a_tokens_life_a_token_is_used(
    says: Any, server: TokenServer, endpoint: ProtectedEndpoint
) -> None:
    server.says = says
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send()
    assert webhook.statuses(1) == [200]


def test_tokens_show_in_nothing_that_is_printed(server: TokenServer, endpoint: ProtectedEndpoint) -> None:
    webhook = Webhook(endpoint.url, server.settings())
    webhook.send()
    webhook.statuses(1)
    assert server.given[0] not in repr(webhook.tokens.__dict__)


@pytest.mark.parametrize("fault", ["the transport takes nothing", "the credentials can't be read"])
def test_a_token_that_cant_be_asked_for_fails_the_attempt_and_the_next_one_asks_again(
    fault: str, server: TokenServer, endpoint: ProtectedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for it would else wait for ever, with a place among the open requests."""
    webhook = Webhook(endpoint.url, server.settings())

    def fails(*_: Any) -> Any:
        raise RuntimeError("no thread, no file, no key")

    monkeypatch.setattr(carrying, "FAILED_FOR", 0.0)
    with monkeypatch.context() as patched:
        if "transport" in fault:
            patched.setattr(carrying, "transport", fails)
        else:
            patched.setattr(carrying.oauth2, "token_request", fails)
        webhook.send(1)
        webhook.send(2)
        assert webhook.statuses(2) == [None, None]
    assert "could not be asked for" in webhook.outcomes[0][0].detail
    webhook.send(3)
    assert webhook.statuses(3)[-1] == 200
