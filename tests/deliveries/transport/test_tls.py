"""Certificates are verified always, against the URL's name, and failures are spelled out."""

import base64
import random
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from deliveries.transport import ErrorClass, Outcome, Transport
from tests.deliveries.transport.conftest import LOOPBACK, Authority, send
from tests.support.hostile import Connection, HostileServer, answers, says


def lookup(host: str, port: int):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def post(
    authority: Authority, context: ssl.SSLContext, host: str = "receiver.example", *, trusted: bool = True
) -> Outcome:
    transport = Transport(LOOPBACK, ca_file=authority.ca_file if trusted else None, lookup=lookup)
    with HostileServer(answers(), tls=context) as server:
        outcome = send(transport, f"https://{host}:{server.port}/hook")
        assert len(server.requests) == int(outcome.delivered)  # nothing leaves before the certificate is checked
    transport.close()
    return outcome


def test_a_good_certificate_of_a_trusted_authority_is_accepted(authority: Authority):
    outcome = post(authority, authority.server("receiver.example"))
    assert outcome.delivered
    assert outcome.tls_ms > 0
    assert outcome.dns_ms is not None


def test_a_certificate_for_the_ip_address_is_accepted_for_an_address_url(authority: Authority):
    assert post(authority, authority.server("127.0.0.1"), host="127.0.0.1").delivered


@pytest.mark.parametrize(
    ("names", "options", "says_so"),
    [
        (["receiver.example"], {"days": -1}, "expired"),
        (["receiver.example"], {"self_signed": True}, "self-signed"),
        (["other.example"], {}, "another name than receiver.example"),
        (["127.0.0.1"], {}, "another name than receiver.example"),
        ([], {}, "another name than receiver.example"),
    ],
)
def test_a_bad_certificate_is_a_tls_failure_that_names_the_fault(authority: Authority, names, options, says_so: str):
    outcome = post(authority, authority.server(*names, **options))
    assert outcome.error is ErrorClass.TLS_FAILED
    assert says_so in outcome.detail
    assert outcome.remote_address == "127.0.0.1"
    assert not outcome.permanent


def test_an_address_in_the_url_needs_a_certificate_for_that_address(authority: Authority):
    outcome = post(authority, authority.server("receiver.example"), host="127.0.0.1")
    assert "another name than 127.0.0.1" in outcome.detail


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority):
    outcome = post(authority, authority.server("receiver.example"), trusted=False)
    assert outcome.error is ErrorClass.TLS_FAILED
    assert "unknown authority" in outcome.detail


def test_the_name_is_sent_as_sni_and_host_though_the_address_is_connected_to(authority: Authority):
    context = authority.server("receiver.example")
    names = []
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    transport = Transport(LOOPBACK, ca_file=authority.ca_file, lookup=lookup)
    with HostileServer(answers(), tls=context) as server:
        assert send(transport, f"https://receiver.example:{server.port}/").delivered
        assert server.requests[0].headers["host"] == f"receiver.example:{server.port}"
    transport.close()
    assert names == ["receiver.example"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_receiver_with_an_old_protocol_only_is_refused(authority: Authority):
    context = authority.server("receiver.example")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    outcome = post(authority, context)
    assert outcome.error is ErrorClass.TLS_FAILED


def group(modulus: int) -> str:
    """Return the PEM of a group modulo this, of 2,048 bits; not a good one, which no client looks at."""
    number = b"\0" + modulus.to_bytes(256)
    numbers = b"\x02\x82\x01\x01" + number + b"\x02\x01\x02"  # DER: two integers, the second a 2
    text = base64.encodebytes(b"\x30\x82" + len(numbers).to_bytes(2) + numbers).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


@pytest.mark.parametrize(
    ("cipher", "taken"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", True),
        ("ECDHE-RSA-AES256-GCM-SHA384", True),
        ("ECDHE-RSA-CHACHA20-POLY1305", True),
        ("ECDHE-RSA-AES128-SHA", True),
        ("DHE-RSA-AES128-GCM-SHA256", False),
        ("DHE-RSA-AES256-GCM-SHA384", False),
        ("DHE-RSA-CHACHA20-POLY1305", False),
        ("DHE-RSA-AES256-SHA256", False),
    ],
)
def test_a_receiver_cannot_have_us_compute_in_a_group_of_its_choice(
    authority: Authority, tmp_path: Path, cipher: str, taken: bool
):
    """A handshake in a group of 10,000 bits takes 600 ms of the thread that carries everybody's requests."""
    context = authority.server("receiver.example", key=rsa.generate_private_key(65537, 2048))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    (tmp_path / "group.pem").write_text(group(random.Random(1).getrandbits(2048) | 1 << 2047 | 1))
    context.load_dh_params(tmp_path / "group.pem")
    outcome = post(authority, context)
    if taken:
        assert outcome.delivered
    else:
        assert outcome.error is ErrorClass.TLS_FAILED
        assert "for other ciphers" in outcome.detail


@pytest.mark.parametrize("word", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x01\x00\x02\x02\x46"])
def test_a_port_that_speaks_no_tls_is_a_tls_failure(transport: Transport, word: bytes):
    def handler(connection: Connection) -> None:
        connection.sock.recv(4096)
        connection.send(word)

    with HostileServer(handler) as server:
        outcome = send(transport, f"https://127.0.0.1:{server.port}/")
    assert outcome.error is ErrorClass.TLS_FAILED
    assert outcome.detail.startswith("No secure connection: ")


def test_tls_connections_are_kept_and_reused(authority: Authority):
    transport = Transport(LOOPBACK, ca_file=authority.ca_file, lookup=lookup)
    with HostileServer(answers(), tls=authority.server("receiver.example")) as server:
        outcomes = [send(transport, f"https://receiver.example:{server.port}/") for _ in range(3)]
        assert server.connections == 1
    transport.close()
    assert [outcome.reused_connection for outcome in outcomes] == [False, True, True]
    assert outcomes[1].tls_ms is None


def test_a_connection_cut_inside_tls_is_a_connection_reset(authority: Authority):
    transport = Transport(LOOPBACK, ca_file=authority.ca_file, lookup=lookup)
    with HostileServer(says(b"HTTP/1.1 20"), tls=authority.server("receiver.example")) as server:
        outcome = send(transport, f"https://receiver.example:{server.port}/")
    transport.close()
    assert outcome.error is ErrorClass.CONNECTION_RESET


def test_a_ca_file_that_is_missing_stops_the_start():
    with pytest.raises(OSError, match="No such file"):
        Transport(LOOPBACK, ca_file="/nowhere/ca.pem")
