"""Promise 7: no request reaches a place it shouldn't. The table of places, at save time and at connect time."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.transport import AddressPolicy, AddressRefused, ErrorClass, Transport, UrlRefused, check_url
from tests.deliveries.transport.conftest import resolving_to, send
from tests.support.forbidden import ADDRESSES, HOSTS, as_host, watched_sockets

POLICY = AddressPolicy()
PUBLIC = "93.184.216.34"


@pytest.fixture
def reached() -> Iterator[list[Any]]:
    """What any socket connects to or sends to."""
    with watched_sockets() as reached:
        yield reached


def test_the_watch_sees_what_leaves(reached: list[Any]):
    """Otherwise the tests below would prove nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", ("127.0.0.1", 9))
    assert [address[0] for address in reached] == ["127.0.0.1"] * 2


@pytest.mark.parametrize(("kind", "address"), ADDRESSES)
def test_a_special_address_is_refused_at_save_time(kind: str, address: str):
    with pytest.raises(AddressRefused) as refused:
        POLICY.check_address(address)
    assert "is not a public address: " in str(refused.value)
    with pytest.raises(UrlRefused):
        check_url(f"https://{as_host(address)}/", POLICY)


@pytest.mark.parametrize(("kind", "host"), HOSTS)
def test_a_disguised_or_internal_host_is_refused_at_save_time(kind: str, host: str):
    with pytest.raises(UrlRefused):
        check_url(f"https://{host}/", POLICY)


@pytest.mark.parametrize("host", [as_host(address) for _, address in ADDRESSES] + [host for _, host in HOSTS])
def test_no_packet_leaves_for_a_refused_host(host: str, reached: list[Any]):
    """At connect time: as when the URL was stored before the rules became stricter."""
    transport = Transport(POLICY, lookup=lambda *_: pytest.fail("a refused host was looked up"))
    outcome = send(transport, f"https://{host}/")
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert outcome.permanent
    assert outcome.detail
    assert reached == []


@pytest.mark.parametrize(("kind", "address"), ADDRESSES)
def test_no_packet_leaves_for_a_public_name_with_a_refused_address(kind: str, address: str, reached: list[Any]):
    outcome = send(Transport(POLICY, lookup=resolving_to(address)), "https://rebound.example/")
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert "rebound.example resolves to" in outcome.detail
    assert not outcome.permanent  # names can be fixed without touching the webhook
    assert outcome.dns_ms is not None
    assert reached == []


@pytest.mark.parametrize(("kind", "address"), ADDRESSES)
def test_one_refused_address_among_public_ones_refuses_the_name(kind: str, address: str, reached: list[Any]):
    """At save time and at connect time, wherever in the answer it stands."""
    for answer in ([PUBLIC, address], [address, PUBLIC], [PUBLIC, "1.1.1.1", address]):
        lookup = resolving_to(*answer)
        with pytest.raises(UrlRefused, match=r"rebound\.example resolves to"):
            check_url("https://rebound.example/", POLICY, resolve=True, must_exist=False, lookup=lookup)
        assert send(Transport(POLICY, lookup=lookup), "https://rebound.example/").error is ErrorClass.ADDRESS_REFUSED
    assert reached == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8", "100.128.0.1"]
)
def test_public_addresses_are_permitted(address: str):
    POLICY.check_address(address)


def test_an_interface_address_is_refused_even_where_it_would_be_public():
    with pytest.raises(AddressRefused, match="interface"):
        POLICY.check_address("2606:4700::1%eth0")


def test_a_name_is_no_address():
    with pytest.raises(ValueError, match="does not appear to be"):
        POLICY.check_address("example.com")


def test_an_allowed_network_permits_no_more_than_itself():
    policy = AddressPolicy(allowed_networks=["10.1.0.0/16", "fd00:1::/32"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"):
        policy.check_address(address)
    for address in ("10.2.0.1", "fd00:2::1", "127.0.0.1", "169.254.169.254", "64:ff9b::a01:203"):
        with pytest.raises(AddressRefused):
            policy.check_address(address)


def test_a_policy_is_immutable():
    networks = ["127.0.0.0/8"]
    policy = AddressPolicy(allowed_networks=networks)
    networks.append("10.0.0.0/8")
    with pytest.raises(AddressRefused):
        policy.check_address("10.0.0.1")
    with pytest.raises(AttributeError):
        policy.require_https = False  # type: ignore[misc]
