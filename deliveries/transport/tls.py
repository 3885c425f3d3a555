"""The SSL context of all sends, and TLS failures in a merchant's words."""

import ssl

import certifi

from .wire import DeadlineTLSSocket

# OpenSSL's X509_V_ERR_* numbers, include/openssl/x509_vfy.h
_CERTIFICATE_FAULTS = {
    9: "the receiver's certificate is not valid yet; check its start date and the receiver's clock",
    10: "the receiver's certificate has expired; renew it",
    18: "the receiver's certificate is self-signed; use one from a public certificate authority",
    19: "the receiver's certificate comes from a private certificate authority; use one from a public authority",
    20: "the receiver's certificate comes from an unknown authority, or the receiver does not send its chain; "
    "install the intermediate certificates",
    21: "the receiver does not send its certificate chain; install the intermediate certificates",
    23: "the receiver's certificate was revoked; renew it",
}
_WRONG_NAME = (62, 64)
_OLD_PROTOCOL = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW"})
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


def make_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Make the context: TLS 1.2 or later, certificate and name always checked, deadline sockets.

    Args:
        ca_file: PEM file of certificate authorities trusted besides the public ones (certifi's).

    Raises:
        OSError, ssl.SSLError: The file is missing or holds no certificates.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.sslsocket_class = DeadlineTLSSocket
    return context


def explain_tls(error: OSError, host: str) -> str:
    """Say in one sentence why no TLS connection came about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            reason = f"the receiver's certificate is for another name than {host}"
        else:
            reason = _CERTIFICATE_FAULTS.get(error.verify_code, "the receiver's certificate could not be verified")
    elif not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = "the receiver closed the connection during the handshake"
    elif error.reason in _OLD_PROTOCOL:
        reason = "the receiver only speaks a TLS version older than 1.2"
    elif error.reason in _NOT_TLS:
        reason = "the receiver does not speak TLS at this port"
    else:
        reason = "receiver and sender could not agree on a secure connection"
    return f"No secure connection: {reason}."
