"""Promise 7: no request reaches a place it shouldn't. The table of places, at save time and at connect time."""

import socket
from typing import Any

import pytest

from deliveries.transport import AddressPolicy, AddressRefused, ErrorClass, Transport, UrlRefused, check_url
from tests.deliveries.transport.conftest import send

POLICY = AddressPolicy()

REFUSED_ADDRESSES = {
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "fc00::1", "fd12:3456:789a::1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "link-local": ["169.254.1.1", "fe80::1"],
    "metadata": [
        "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean
        "169.254.170.2",  # AWS ECS
        "169.254.170.23",  # AWS EKS
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle, older
        "168.63.129.16",  # Azure WireServer
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "198.18.0.1", "4000::1", "100::1", "5f00::1", "192.0.0.9"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1", "192.88.99.1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "site-local": ["fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:168.63.129.16"],
    "compatible": ["::127.0.0.1", "::10.0.0.1", "::169.254.169.254"],
}
ADDRESSES = [(kind, address) for kind, addresses in REFUSED_ADDRESSES.items() for address in addresses]

REFUSED_HOSTS = {
    "single number": ["2130706433", "3232235777", "0", "017700000001", "0x7f000001", "0X7F000001", "4294967296"],
    "short": ["127.1", "127.0.1", "10.1", "0x7f.1", "1.2.3.4.5", "256.1.1.1"],
    "octal or hexadecimal": [
        "0177.0.0.1",
        "127.0.0.01",
        "0x7f.0x0.0x0.0x1",
        "0x7f.0.0.1",
        "0300.0250.0.1",
        "0xA9FEA9FE",
    ],
    "trailing dot": ["127.0.0.1.", "localhost.", "2130706433.", "metadata.google.internal.", "example.com.."],
    "internal name": [
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        "kubernetes.default.svc",
        "db.cluster.local",
        "router.lan",
        "nas.home.arpa",
        "redis",
        "intranet",
    ],
    "look-alike": [
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "127\u30020\u30020\u30021",
        "127\uff0e0\uff0e0\uff0e1",
        "\u24c1\u24c4\u24b8\u24b6\u24c1\u24bd\u24c4\u24c8\u24c9",
        "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
        "loc\u00adalhost",
        "\u2139nternal.example",
    ],
    "userinfo": ["example.com@127.0.0.1", "example.com:443@10.0.0.1", "a:b@localhost"],
}
HOSTS = [(kind, host) for kind, hosts in REFUSED_HOSTS.items() for host in hosts]


def as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class Hook:
    """Notes every address any socket connects to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached: list[Any] = []
        connect = socket.socket.connect

        def noting(sock: socket.socket, address: Any) -> Any:
            self.reached.append(address)
            return connect(sock, address)

        monkeypatch.setattr(socket.socket, "connect", noting)
        monkeypatch.setattr(socket.socket, "connect_ex", noting)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Hook:
    return Hook(monkeypatch)


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
def test_no_packet_leaves_for_a_refused_host(host: str, hook: Hook):
    """At connect time: as when the URL was stored before the rules became stricter."""
    transport = Transport(POLICY, lookup=lambda *_: pytest.fail("a refused host was looked up"))
    outcome = send(transport, f"https://{host}/")
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert outcome.permanent
    assert outcome.detail
    assert hook.reached == []


@pytest.mark.parametrize(("kind", "address"), ADDRESSES)
def test_no_packet_leaves_for_a_public_name_with_a_refused_address(kind: str, address: str, hook: Hook):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    transport = Transport(POLICY, lookup=lambda _, port: [(family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))])
    outcome = send(transport, "https://rebound.example/")
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert "rebound.example resolves to" in outcome.detail
    assert not outcome.permanent  # names can be mended without touching the webhook
    assert outcome.dns_ms is not None
    assert hook.reached == []


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
