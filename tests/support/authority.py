"""A certificate authority made on the fly: servers' certificates, and clients'."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def pem_of(key: Any, passphrase: bytes = b"") -> str:
    """Return a private key as PEM text."""
    sealed = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed).decode()


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
        key: Any,
        *,
        issuer: x509.Name,
        days: float,
        names: list[str],
        ca: bool,
        starts: float = -60,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        begins, ends = now + datetime.timedelta(days=starts), now + datetime.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
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

    def client(self, *, days: float = 30, starts: float = -60, key: Any = None) -> tuple[str, str]:
        """A client's certificate and key in PEM; it begins and ends in so many days (negative: has)."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Webhooks")])
        builder = self._build(subject, key.public_key(), issuer=self.name, days=days, names=[], ca=False, starts=starts)
        certificate = builder.sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem_of(key)

    def asks(self, *names: str, trusts: "Authority | None" = None, newest: bool = True) -> ssl.SSLContext:
        """A server context that asks clients for a certificate of `trusts` (by default of this authority)."""
        context = self.server(*names)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations((trusts or self).ca_file)
        if not newest:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def server(self, *names: str, days: int = 30, self_signed: bool = False, key: Any = None) -> ssl.SSLContext:
        """A server context with a certificate for `names` that ends in `days` (negative: has ended)."""
        key = key or ec.generate_private_key(ec.SECP256R1())
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
