"""Refusals of inner names: the operator's log has their address, the merchant's answer doesn't."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from deliveries.transport import AddressPolicy, ErrorClass, Transport, check_url
from deliveries.transport.resolver import AddrInfo
from deliveries.transport.urls import UrlRefused
from tests.deliveries.transport.conftest import send

INNER = [
    "10.1.2.3", "172.16.9.9", "192.168.77.1", "127.0.0.1", "169.254.169.254", "100.64.3.4", "0.0.0.0", "198.18.0.9",
    "168.63.129.16", "224.0.0.7", "255.255.255.255", "::1", "fe80::1:2", "fd00:ec2::254", "::ffff:10.1.2.3",
    "64:ff9b::a01:203", "2002:a01:203::1",
]  # fmt: skip
MIXED = ("93.184.216.34", "10.1.2.3")
HOST = "inner.merchant.example"


def leads_to(*addresses: str):
    def lookup(_host: str, port: int) -> Sequence[AddrInfo]:
        families = [socket.AF_INET6 if ip_address(each).version == 6 else socket.AF_INET for each in addresses]
        return [(family, 1, 6, "", (each, port)) for family, each in zip(families, addresses, strict=True)]

    return lookup


def told(text: str, addresses: Sequence[str]) -> bool:
    words = {*addresses, "RFC", "Private", "Loopback", "Link", "NAT64", "6to4", "Shared", "Azure", "10.1.2.3"}
    return any(word.lower() in text.lower() for word in words)


@pytest.mark.parametrize("addresses", [*((each,) for each in INNER), MIXED], ids="+".join)
def test_saving_a_url_does_not_tell_where_its_name_leads(
    addresses: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UrlRefused) as refused:
        check_url(f"https://{HOST}/", AddressPolicy(), resolve=True, lookup=leads_to(*addresses))
    assert str(refused.value).startswith(f"{HOST} resolves to an address that is not public.")
    assert not told(str(refused.value), addresses)
    assert "not a public address: " in caplog.text
    assert str(ip_address(addresses[-1])) in caplog.text


@pytest.mark.parametrize("addresses", [*((each,) for each in INNER), MIXED], ids="+".join)
def test_neither_does_an_attempt(addresses: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    transport = Transport(AddressPolicy(), lookup=leads_to(*addresses))
    try:
        outcome = send(transport, f"https://{HOST}/")
    finally:
        transport.close()
    assert outcome.error is ErrorClass.ADDRESS_REFUSED
    assert not told(f"{outcome.detail} {outcome.remote_address}", addresses)
    assert HOST in caplog.text


def test_an_address_that_the_merchant_wrote_is_explained() -> None:
    with pytest.raises(UrlRefused, match=r"10\.1\.2\.3 is not a public address: 10"):
        check_url("https://10.1.2.3/", AddressPolicy(), resolve=True)
