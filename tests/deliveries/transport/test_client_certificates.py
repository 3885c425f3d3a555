"""Client certificates: shown where asked for, never to another owner's benefit, and refusals spelled out."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest

from deliveries.transport import ClientCertificate, ErrorClass, Outcome, Transport
from tests.deliveries.transport.conftest import LOOPBACK, Authority, send
from tests.support.hostile import Connection, HostileServer, answers


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no endpoint trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def transport(authority: Authority) -> Iterator[Transport]:
    transport = Transport(LOOPBACK, ca_file=authority.ca_file)
    yield transport
    transport.close()


def asking(authority: Authority, *, newest: bool = True) -> ssl.SSLContext:
    return authority.asks("127.0.0.1", newest=newest)


def certificate(authority: Authority, **options: float) -> ClientCertificate:
    return ClientCertificate(*authority.client(**options))


def serials(into: list[str | None]) -> Callable[[Connection], None]:
    """A handler that answers every request and notes whose certificate its connection has."""

    def handle(connection: Connection) -> None:
        while True:
            connection.read_request()
            shown = connection.sock.getpeercert()
            into.append(shown["serialNumber"] if shown else None)
            connection.answer()

    return handle


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
def test_an_endpoint_that_asks_is_shown_the_certificate(authority: Authority, transport: Transport, newest: bool):
    with HostileServer(answers(), tls=asking(authority, newest=newest)) as server:
        outcome = send(transport, server.url, client_certificate=certificate(authority))
    assert outcome.delivered, outcome.detail


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda own, _other: None, ErrorClass.TLS_FAILED, "asks for a client certificate"),
        (lambda own, _other: certificate(own, days=-1), ErrorClass.CERTIFICATE_REFUSED, "expired"),
        (lambda _own, other: certificate(other), ErrorClass.CERTIFICATE_REFUSED, "does not know the authority"),
    ],
    ids=["none", "expired", "of a stranger"],
)
def test_a_refusal_says_what_the_endpoint_said(
    authority: Authority, stranger: Authority, transport: Transport, made, error: ErrorClass, said: str, newest: bool
):
    with HostileServer(answers(), tls=asking(authority, newest=newest)) as server:
        outcome: Outcome = send(transport, server.url, client_certificate=made(authority, stranger))
    if made(authority, stranger) is None and not newest:  # TLS 1.2 has no alert of its own for it
        assert outcome.error is ErrorClass.TLS_FAILED
        assert "it may ask for a client certificate" in outcome.detail
        return
    if newest and outcome.error is ErrorClass.CONNECTION_RESET:  # on loopback, the server may close before we have sent
        assert "closed the connection without answering" in outcome.detail
        return
    assert (outcome.error, outcome.permanent) == (error, False), outcome.detail
    assert said in outcome.detail


def test_a_key_that_is_not_the_certificates_can_t_be_used(authority: Authority, transport: Transport):
    (chain, _), (_, other) = authority.client(), authority.client()
    with HostileServer(answers(), tls=asking(authority)) as server:
        outcome = send(transport, server.url, client_certificate=ClientCertificate(chain, other))
    assert outcome.error is ErrorClass.CERTIFICATE_REFUSED
    assert "can't be used" in outcome.detail
    assert "PRIVATE" not in repr(outcome)


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
def test_nobody_else_goes_over_a_connection_or_session_made_with_a_certificate(
    authority: Authority, transport: Transport, newest: bool
):
    seen: list[str | None] = []
    context = asking(authority, newest=newest)
    context.verify_mode = ssl.CERT_OPTIONAL
    one, other = certificate(authority), certificate(authority)
    with HostileServer(serials(seen), tls=context) as server:
        for owner, shown in [(1, one), (2, None), (1, one), (1, other), (1, None), (3, other), (2, None)]:
            assert send(transport, server.url, connection_owner=owner, client_certificate=shown).delivered
        connections = server.connections
    first, second = seen[0], seen[3]
    assert first != second
    assert seen == [first, None, first, second, None, second, None]
    assert connections == 5  # owner 1 used the connection of its first certificate again, owner 2 its own


def test_a_handle_that_carried_a_certificate_serves_no_other_request(authority: Authority, transport: Transport):
    seen: list[str | None] = []
    context = asking(authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    with HostileServer(serials(seen), tls=context) as server:
        for shown in (certificate(authority), None, None):
            assert send(transport, server.url, connection_owner=None, client_certificate=shown).delivered
    assert [each is None for each in seen] == [False, True, True]


def test_neither_certificate_nor_key_is_in_what_a_request_prints(authority: Authority):
    chain, key = authority.client()
    assert "BEGIN" not in repr(ClientCertificate(chain, key))
