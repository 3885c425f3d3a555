"""A transport that may reach loopback, and a certificate authority made on the fly."""

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deliveries.transport import AddressPolicy, Outcome, Request, Transport, pool
from deliveries.transport.resolver import AddrInfo, Lookup

LOOPBACK = AddressPolicy(require_https=False, allowed_networks=["127.0.0.0/8", "::1/128"])
Post = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_rest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept connections are used again at once, so that tests of other things needn't wait for them to have rested."""
    if not getattr(request.module, "CONNECTIONS_REST", False):
        monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
        monkeypatch.setattr(pool, "PROBATION_SECONDS", 0.0)


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(LOOPBACK)
    yield transport
    transport.close()


def send(transport: Transport, url: str, **changes: object) -> Outcome:
    return transport.send(make_request(url, **changes))


def make_request(url: str, **changes: object) -> Request:
    values = {
        "headers": [("webhook-id", "evt_1")], "body": b"{}", "connect_timeout": 5.0, "total_timeout": 10.0,
        "connection_owner": "webhook 1",
    }  # fmt: skip
    return Request(url, **(values | changes))  # type: ignore[arg-type]


def resolving_to(*addresses: str) -> Lookup:
    """A resolver that gives these addresses for every name; none: no name exists."""

    def lookup(host: str, port: int) -> list[AddrInfo]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return lookup


@pytest.fixture
def post(transport: Transport) -> Post:
    """POST to a URL over the fixture's transport; keywords change the request."""
    return lambda url, **changes: send(transport, url, **changes)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """A certificate authority of our own; `ca_file` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        builder = self._build(self.name, self.key.public_key(), issuer=self.name, days=30, names=[], ca=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _build(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        issuer: x509.Name,
        days: int,
        names: list[str],
        ca: bool,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        starts, ends = now - datetime.timedelta(days=60), now + datetime.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # Python 3.13 verifies strictly, by RFC 5280: keys have identifiers, and an authority says what it signs.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        if subject == issuer:
            builder = builder.add_extension(_usage(signs_certificates=ca), critical=True)
        else:
            authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(authority_key, critical=False)
        if names:
            alternatives = [
                x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
                for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder

    def server(self, *names: str, days: int = 30, self_signed: bool = False) -> ssl.SSLContext:
        """A server context with a certificate for `names` that ends in `days` (negative: has ended)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
        issuer = subject if self_signed else self.name
        builder = self._build(subject, key.public_key(), issuer=issuer, days=days, names=list(names), ca=False)
        certificate = builder.sign(key if self_signed else self.key, hashes.SHA256())
        path = self.folder / f"{certificate.serial_number}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
