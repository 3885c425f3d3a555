"""The table of places no request may reach, by kind (DESIGN, promise 7), and a watch on the sockets of this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        "169.254.0.23",  # Tencent
        "169.254.42.42",  # Scaleway
        "fd00:42::42",  # Scaleway over IPv6
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "198.18.0.1", "4000::1", "100::1", "5f00::1", "192.0.0.9"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1:7f00::1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1", "192.88.99.1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "site-local": ["fec0::1", "feff::1"],
    "mapped": [
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:168.63.129.16",
        "::ffff:7f00:1",
    ],
    "translated": ["::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe"],  # RFC 2765
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
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
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
        "169\uff61254\uff61169\uff61254",
        "\U0001d7cf\U0001d7d0\U0001d7d5.\U0001d7ce.\U0001d7ce.\U0001d7cf",
        "\u0661\u0662\u0667.\u0660.\u0660.\u0661",
    ],
    "userinfo": ["example.com@127.0.0.1", "example.com:443@10.0.0.1", "a:b@localhost"],
}
HOSTS = [(kind, host) for kind, hosts in REFUSED_HOSTS.items() for host in hosts]


def as_host(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


_watches: list[list[Any]] = []
_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        for watch in _watches:
            watch.append(arguments[1])


sys.addaudithook(_hear)  # for good: hooks can't be taken away


@contextmanager
def watched_sockets() -> Iterator[list[Any]]:
    """Yield a list of every address that any socket of this process is told to send to, in whatever thread.

    The interpreter itself reports them, so no way around a patched function is missed. What tests/conftest.py stops
    before, since it is not loopback, fails the test by itself.
    """
    reached: list[Any] = []
    _watches.append(reached)
    try:
        yield reached
    finally:
        _watches.remove(reached)
