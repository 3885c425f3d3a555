"""The certificate authorities of all connections, and TLS failures in a merchant's words."""

from __future__ import annotations

import ssl
import tempfile
from typing import IO

import certifi
import pycurl

# OpenSSL's X509_V_ERR_* numbers, include/openssl/x509_vfy.h
_CERTIFICATE_FAULTS = {
    9: "your endpoint's certificate is not valid yet; check its start date and your endpoint's clock",
    10: "your endpoint's certificate has expired; renew it",
    18: "your endpoint's certificate is self-signed; use one from a public certificate authority",
    19: "your endpoint's certificate comes from a private certificate authority; use one from a public authority",
    20: "your endpoint's certificate comes from an unknown authority, or your endpoint does not send its chain; "
    "install the intermediate certificates",
    21: "your endpoint does not send its certificate chain; install the intermediate certificates",
    23: "your endpoint's certificate was revoked; renew it",
}
_WRONG_NAME = (62, 64)
_UNDECIDED = 1
"""The receiver's certificate was not looked at yet."""
_OLD_PROTOCOL = ("unsupported protocol", "protocol version", "version too low")
_NOT_TLS = ("wrong version number", "http request", "packet length too long", "record layer failure")
_OF_OURS = {  # TLS alerts (RFC 8446, 6.2) that speak of the client's certificate, in OpenSSL's words
    "alert certificate required": "it asks for one",
    "alert certificate expired": "it says that it has expired",
    "alert certificate revoked": "it says that it was revoked",
    "alert unknown ca": "it does not know the authority that signed it",
    "alert bad certificate": "it says that it is invalid",
    "alert unsupported certificate": "it does not take its kind",
    "alert certificate unknown": "it does not know it",
    "alert access denied": "it does not let its owner in",
}
_CLOSED = ("SSL_ERROR_SYSCALL", "unexpected eof", "Connection reset", "SSL_ERROR_ZERO_RETURN", "Broken pipe")


def authorities(extra: str | None) -> IO[bytes] | None:
    """Return a file with the public authorities (certifi's) and those of the PEM file `extra`; None without one.

    A file and not bytes: libcurl parses a file's certificates once for all connections, but bytes for each anew.

    Raises:
        OSError, ssl.SSLError: The file is missing or holds no certificates.
    """
    if extra is None:
        return None
    ssl.create_default_context(cafile=extra)
    both = tempfile.NamedTemporaryFile(prefix="authorities-", suffix=".pem")  # noqa: SIM115 lives as long as its user
    for path in (certifi.where(), extra):
        with open(path, "rb") as file:
            both.write(file.read() + b"\n")
    both.flush()
    return both


def explain_tls(verify_code: int, message: str, host: str) -> str:
    """Say in one sentence why no TLS connection came about.

    Args:
        verify_code: OpenSSL's verdict on the certificate (`SSL_VERIFYRESULT`), 0 when it had nothing against it.
        message: libcurl's message.
        host: Whom the certificate should be for.
    """
    if verify_code in _WRONG_NAME or "subject name" in message:
        reason = f"your endpoint's certificate is for another name than {host}"
    elif verify_code not in (0, _UNDECIDED):
        reason = _CERTIFICATE_FAULTS.get(verify_code, "your endpoint's certificate could not be verified")
    elif any(word in message for word in _CLOSED):
        reason = "your endpoint closed the connection during the handshake"
    elif any(word in message for word in _OLD_PROTOCOL):
        reason = "your endpoint only speaks a TLS version older than 1.2"
    elif any(word in message for word in _NOT_TLS):
        reason = "your endpoint does not speak TLS at this port"
    elif "alert handshake failure" in message:
        reason = "your endpoint broke off the handshake; it may ask for a client certificate, or for other ciphers"
    else:
        reason = "receiver and sender could not agree on a secure connection"
    return f"No secure connection: {reason}."


def explain_refusal(code: int, verify_code: int, message: str, *, shown: bool) -> str:
    """Say in one sentence that a receiver didn't take our certificate; empty where its alert speaks of none.

    Args:
        code: libcurl's error.
        verify_code: As in `explain_tls`.
        message: libcurl's message.
        shown: Whether there was one to show.
    """
    if shown and code == pycurl.E_SSL_CACERT and verify_code == _UNDECIDED and "subject name" not in message:
        # so libcurl reports an alert in TLS 1.2
        message = "alert certificate expired"
    reason = next((words for alert, words in _OF_OURS.items() if alert in message.lower()), "")
    if reason and not shown:
        return "No secure connection: your endpoint asks for a client certificate, and this webhook signs in with none."
    return f"Your endpoint did not accept the client certificate: {reason}." if reason else ""
