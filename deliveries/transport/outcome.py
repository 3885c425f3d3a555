"""What goes into the one HTTP exit and what comes back: `Request`, `Outcome`, `ErrorClass`."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

READ_BYTES = 64 * 1024
"""At most so many body bytes of an answer are read unless a request says otherwise; then the connection is closed."""
KEEP_BYTES = 4 * 1024
"""So many of the body bytes read are kept in the outcome, for the log."""
KEEP_HEADERS = 50
"""So many response headers are kept."""
KEEP_HEADER_BYTES = 8 * 1024
"""So many bytes of response headers (names and values) are kept."""

MANAGED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Header names (lower case) that only the transport sets: they decide framing, routing and encoding."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 §5.6.2
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*").fullmatch  # RFC 9110 §5.5, without C0, DEL and C1


class ErrorClass(StrEnum):
    """Why an attempt failed, in words a merchant can act on."""

    DNS_FAILED = "dns_failed"
    DNS_TIMEOUT = "dns_timeout"
    ADDRESS_REFUSED = "address_refused"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    UNREACHABLE = "unreachable"
    TLS_FAILED = "tls_failed"
    RESPONSE_TIMEOUT = "response_timeout"
    CONNECTION_RESET = "connection_reset"
    INVALID_RESPONSE = "invalid_response"
    REDIRECT = "redirect"
    HTTP_ERROR = "http_error"
    CERTIFICATE_REFUSED = "certificate_refused"
    # What kept us from signing in at an endpoint, told apart by `deliveries.sending`, never by the transport
    CERTIFICATE_EXPIRED = "certificate_expired"
    TOKEN_UNAVAILABLE = "token_unavailable"  # noqa: S105 - an error's name
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - an error's name
    TRANSFORMATION_FAILED = "transformation_failed"  # set by the sender: there was no message to send
    # What a queue says of a message, told apart by `deliveries.sending.destinations`, never by the transport
    DESTINATION_MISSING = "destination_missing"
    ACCESS_DENIED = "access_denied"
    THROTTLED = "throttled"
    TOO_LARGE = "too_large"
    DESTINATION_REFUSED = "destination_refused"
    DESTINATION_FAILED = "destination_failed"
    INTERRUPTED = "interrupted"  # set by the engine when a worker died in mid-send, never by the transport
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What an endpoint is shown that asks for a certificate, as PEM text; `chain` begins with the certificate."""

    chain: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, a POST unless it says otherwise.

    Args:
        url: Absolute URL of the receiver; checked again at each send.
        headers: Name and value pairs, each name once. `Host`, `Content-Length` and the others of
            `MANAGED_HEADERS` are the transport's; `User-Agent` and `Accept` get a default when absent.
        body: The exact bytes to send.
        connect_timeout: Seconds for name resolution and TCP connect together, over all addresses of the name.
        total_timeout: Seconds for everything, TLS handshake and response body included.
        connection_owner: Whose kept connections it may use and add to: a webhook's key. Connections are never shared
            between owners, whatever origin they lead to. None: a connection of its own, closed afterwards.
        lookup_owner: In whose share of the resolver's threads its name is looked up: a merchant's key, since its
            webhooks' name servers are its own. None: no share bounds it.
        method: The HTTP method.
        read_bytes: At most so many body bytes of the answer are read.
        keep_bytes: So many of them are kept in the outcome.
        client_certificate: Shown where the receiver asks for one; a connection made with it carries no other request.

    Raises:
        ValueError: A header that is malformed, managed or given twice, a method that is none, or a timeout that isn't
            positive.
    """

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    connect_timeout: float
    total_timeout: float
    connection_owner: Hashable | None = None
    lookup_owner: Hashable | None = None
    method: str = "POST"
    read_bytes: int = READ_BYTES
    keep_bytes: int = KEEP_BYTES
    client_certificate: ClientCertificate | None = None

    def __post_init__(self) -> None:
        if self.method != "POST" and (not _TOKEN(self.method) or self.method.upper() in ("CONNECT", "TRACE")):
            raise ValueError(f"{self.method!r} is not a method that is sent")
        if not (self.connect_timeout > 0 and self.total_timeout > 0):
            raise ValueError("connect_timeout and total_timeout must be more than 0 seconds")
        if self.headers:
            names, values = zip(*self.headers, strict=True)
            if not (_are_names(names) and _FIELD_VALUE("".join(values))):
                self._complain()

    def _complain(self) -> None:
        """Say which header is wrong; all of them are checked at once before."""
        seen = set()
        for name, value in self.headers:
            if not _TOKEN(name):
                raise ValueError(f"header name {name!r} may only hold letters, digits and !#$%&'*+-.^_`|~")
            if not _FIELD_VALUE(value):
                raise ValueError(f"header {name}: the value may not hold line breaks or control characters")
            lower = name.lower()
            if lower in MANAGED_HEADERS:
                raise ValueError(f"header {name} is set by the transport; leave it out")
            if lower in seen:
                raise ValueError(f"header {name} is given twice; join the values into one header")
            seen.add(lower)
        raise ValueError("the headers are malformed")


@lru_cache(maxsize=1024)
def _are_names(names: tuple[str, ...]) -> bool:
    """Tell whether these may be the names of a request's headers. Most requests have the same ones."""
    lower = {name.lower() for name in names}
    return all(map(_TOKEN, names)) and len(lower) == len(names) and MANAGED_HEADERS.isdisjoint(lower)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one send came to. Times are milliseconds; None stands for a phase that was not reached or not needed.

    Attributes:
        status_code: The answer's status; None when no complete response head arrived.
        error: None exactly when the answer was a 2xx; a destination may find a failure in one (`sending.destinations`).
        detail: One sentence for the merchant; never holds receiver-made text or control characters.
        headers: The answer's first `KEEP_HEADERS` headers, control characters written as escapes.
        body: The first `KEEP_BYTES` bytes of the body, raw: content codings and charsets are not undone.
        body_truncated: `body` is not all the receiver sent or announced.
        body_bytes_read: Body bytes taken from the wire, at most `READ_BYTES`.
        remote_address: The IP address connected to; None when no connection was made.
        reused_connection: The request went over a kept connection (then dns, connect and tls are None).
        dns_ms, connect_ms, tls_ms: How long each phase of a new connection took.
        first_byte_ms, total_ms: Since the call to `Transport.submit` or `send`.
        retry_after: Seconds from now the receiver asked us to wait (RFC 9110 §10.2.3, both forms), not capped.
        permanent: The same request cannot succeed until somebody changes the webhook (refused URL, 410 Gone).
        resent: The request left twice: the receiver closed a kept connection just as it was used again.
    """

    status_code: int | None = None
    error: ErrorClass | None = None
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    body_truncated: bool = False
    body_bytes_read: int = 0
    remote_address: str | None = None
    reused_connection: bool = False
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None
    retry_after: float | None = None
    permanent: bool = False
    resent: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver answered with a 2xx that holds no failure."""
        return self.error is None and self.status_code is not None and 200 <= self.status_code < 300


class Fault(Exception):
    """An attempt that ended early, raised where it is noticed and turned into an `Outcome` by the transport."""

    def __init__(self, error: ErrorClass, detail: str, *, permanent: bool = False) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail
        self.permanent = permanent
