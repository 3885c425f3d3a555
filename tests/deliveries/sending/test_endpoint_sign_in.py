"""Signing in at endpoints: what is sent, what the log keeps of it, and faults told apart, an attempt each."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.management.receiver import Answer
from deliveries.models import Attempt
from deliveries.sending import process_transport
from deliveries.transport import Transport
from subscriptions import encryption, services
from tests.support.authority import Authority
from tests.support.factories import STANDARD_SECRET, make_webhook
from tests.support.hostile import HostileServer, answers
from tests.support.one_attempt import attempt
from tests.support.receiver import TestReceiver
from tests.support.token_server import CLIENT_SECRET, ProtectedEndpoint, TokenServer, protected_by

pytestmark = pytest.mark.django_db

BASIC = {"sign_in": {"method": "basic", "username": "shöp"}, "credentials": {"password": "correct horse: ä"}}
BEARER = {"sign_in": {"method": "bearer"}, "credentials": {"token": "tok.en-_~+/123=="}}
MASKED = "••••••"


@pytest.fixture
def receiver() -> Iterator[TestReceiver]:
    with TestReceiver(dialect="standard", secret=STANDARD_SECRET) as running:
        yield running


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as running:
        yield running


@pytest.fixture
def endpoint(server: TokenServer) -> Iterator[ProtectedEndpoint]:
    with protected_by(server) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(authority: Authority, settings: Any) -> Iterator[Transport]:
    """The process' transport trusts the authority."""
    process_transport._made.cache_clear()
    settings.WEBHOOKS_CA_FILE = authority.ca_file
    made = process_transport.transport()
    yield made
    made.close()
    if made._authorities:
        made._authorities.close()
    process_transport._made.cache_clear()


def logged(made: Attempt) -> dict[str, str]:
    return dict(made.sent_headers)


@pytest.mark.parametrize(
    ("given", "sent"),
    [(BASIC, "Basic " + base64.b64encode("shöp:correct horse: ä".encode()).decode()),
     (BEARER, "Bearer tok.en-_~+/123==")],
    ids=["basic", "bearer"],
)  # fmt: skip
def test_what_signs_in_is_sent_beside_the_signature_and_masked_in_the_log(
    receiver: TestReceiver, given: dict[str, Any], sent: str
) -> None:
    receiver.script(Answer(200, f"you are {sent}".encode()))
    webhook = make_webhook(url=receiver.url, secret=STANDARD_SECRET, headers={"X-Shop": "42"}, **given)
    delivery, made = attempt(webhook)
    assert delivery.status == "delivered", made.detail
    [request] = receiver.requests
    assert request.headers["Authorization"] == sent
    assert request.headers["X-Shop"] == "42"
    assert logged(made)["Authorization"] == MASKED
    assert MASKED.encode() in bytes(made.response_body)
    assert sent.partition(" ")[2].encode() not in bytes(made.response_body)


def test_a_webhook_that_signs_in_nowhere_sends_what_it_always_sent(receiver: TestReceiver) -> None:
    webhook = make_webhook(url=receiver.url, secret=STANDARD_SECRET, headers={"Authorization": "mine"})
    _delivery, made = attempt(webhook)
    assert receiver.requests[0].headers["Authorization"] == "mine"
    assert logged(made)["Authorization"] == MASKED


@pytest.mark.parametrize("wants", ["basic", "body"])
def test_a_token_is_fetched_and_sent_and_nothing_of_it_is_kept(wants: str) -> None:
    with TokenServer(wants=wants) as server, protected_by(server) as endpoint:
        webhook = make_webhook(url=f"{endpoint.url}/hooks", **server.settings(audience="hooks.example"))
        delivery, made = attempt(webhook)
        assert delivery.status == "delivered", made.detail
        [token], [asked] = server.given, server.asked
    assert (asked["scope"], asked["audience"]) == ("hooks", "hooks.example")
    assert endpoint.taken[0].headers["Authorization"] == f"Bearer {token}"
    assert logged(made)["Authorization"] == MASKED
    assert token.encode() not in bytes(made.response_body)
    assert MASKED.encode() in bytes(made.response_body)


FAULTS: list[tuple[Any, str, str]] = [
    (lambda server: server.answers_with(503), "token_unavailable", "It answered 503"),
    (lambda server: server.answers_with(429), "token_unavailable", "It answered 429"),
    (lambda server: server.answers_with(200, b"<html>"), "token_unavailable", "not with a bearer token"),
    (lambda server: server.answers_with(200, {"access_token": "a b"}), "token_unavailable", "not with a bearer"),
    (lambda server: server.answers_with(200, {"access_token": "a\r\nX: y"}), "token_unavailable", "not with a bearer"),
    (lambda server: server.answers_with(200, {"access_token": "x" * 9000}), "token_unavailable", "not with a bearer"),
    (
        lambda server: server.answers_with(200, {"access_token": "x", "token_type": "mac"}),
        "token_unavailable",
        "bearer",
    ),
    (lambda server: server.answers_with(200, b"[" * 30_000), "token_unavailable", "not with a bearer"),
    (lambda server: server.answers_with(302, headers=(("Location", "/x"),)), "token_unavailable", "answered 302"),
    (lambda server: server.stop(), "token_unavailable", "Nothing accepts connections"),
    (lambda server: setattr(server, "secret", "another"), "token_refused", "invalid_client (401)"),
    (lambda server: server.answers_with(400, {"error": "invalid_scope"}), "token_refused", "invalid_scope (400)"),
    (lambda server: server.answers_with(403, {"error": "<script>"}), "token_refused", "refused a token (403)"),
]


@pytest.mark.parametrize(("break_it", "error", "said"), FAULTS)
def test_a_token_servers_fault_is_a_failed_attempt_with_words_of_its_own(
    server: TokenServer, endpoint: ProtectedEndpoint, break_it: Any, error: str, said: str
) -> None:
    webhook = make_webhook(url=f"{endpoint.url}/hooks", **server.settings())
    break_it(server)
    delivery, made = attempt(webhook)
    assert (delivery.status, made.error, made.status_code) == ("retrying", error, None), made.detail
    assert said in made.detail
    assert "127.0.0.1" in made.detail
    assert "script" not in made.detail
    assert CLIENT_SECRET not in repr(vars(made))
    assert made.decision.startswith(("The token server gave no token;", "The token server refused a token;"))
    assert endpoint.taken + endpoint.refused == []


def test_a_token_server_that_never_answers_ends_the_attempt_in_time(endpoint: ProtectedEndpoint) -> None:
    with TokenServer(delay=30) as silent:
        webhook = make_webhook(url=f"{endpoint.url}/hooks", **silent.settings())
        delivery, made = attempt(webhook)
    assert (delivery.status, made.error) == ("retrying", "token_unavailable")
    assert "was not done answering within 4 s" in made.detail


def test_a_token_server_inside_a_forbidden_network_is_not_asked(server: TokenServer, settings: Any) -> None:
    webhook = make_webhook(url="https://shop.example.com/hooks", **server.settings())
    settings.WEBHOOKS_ALLOWED_NETWORKS = []  # as if its name led elsewhere by now
    process_transport._made.cache_clear()
    try:
        _delivery, made = attempt(webhook)
    finally:
        process_transport._made.cache_clear()
    assert made.error == "token_unavailable"
    assert "is not a public address" in made.detail
    assert server.asked == []


def test_a_client_certificate_lets_us_in(authority: Authority, trusting: Transport) -> None:
    chain, key = authority.client(days=2)
    way = {"sign_in": {"method": "certificate", "certificate": chain}, "credentials": {"private_key": key}}
    with HostileServer(answers(), tls=authority.asks("127.0.0.1")) as server:
        webhook = make_webhook(url=server.url, **way)
        delivery, made = attempt(webhook)
        assert delivery.status == "delivered", made.detail
        assert "PRIVATE" not in repr(vars(made))


def test_a_certificate_that_the_endpoint_does_not_take_is_told_from_its_own(
    authority: Authority, trusting: Transport, tmp_path: Any
) -> None:
    chain, key = Authority(tmp_path).client()
    way = {"sign_in": {"method": "certificate", "certificate": chain}, "credentials": {"private_key": key}}
    with HostileServer(answers(), tls=authority.asks("127.0.0.1", newest=False)) as server:
        delivery, made = attempt(make_webhook(url=server.url, **way))
    assert (delivery.status, made.error) == ("retrying", "certificate_refused")
    assert "does not know the authority that signed it" in made.detail
    assert made.decision.startswith("Your endpoint did not accept the client certificate;")


def test_an_expired_certificate_is_named_as_such(authority: Authority, trusting: Transport) -> None:
    chain, key = authority.client()
    way = {"sign_in": {"method": "certificate", "certificate": chain}, "credentials": {"private_key": key}}
    with HostileServer(answers(), tls=authority.asks("127.0.0.1")) as server:
        webhook = make_webhook(url=server.url, **way)
        ended, its_key = authority.client(days=-1)  # as the stored one is some day
        webhook.sign_in = {"method": "certificate", "certificate": ended.strip()}
        webhook.credentials = sealed(its_key)
        webhook.save()
        delivery, made = attempt(webhook)
        assert (delivery.status, made.error) == ("retrying", "certificate_expired"), made.detail
        assert "The client certificate expired on" in made.detail
        renewed, new_key = authority.client()
        services.update_webhook(
            webhook=webhook,
            sign_in={"method": "certificate", "certificate": renewed},
            credentials={"private_key": new_key},
        )
        assert attempt(webhook)[0].status == "delivered"


def sealed(key: str) -> str:
    return encryption.encrypt(json.dumps({"private_key": key}))
