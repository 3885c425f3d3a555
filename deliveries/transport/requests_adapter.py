"""requests on the guarded exit: whatever a session with this adapter does, it goes nowhere a delivery couldn't.

For platform code that calls what others name: an address that a merchant gave, a link out of an answer.

    session = guarded_session(transport)
    session.post("https://example.com/hook", json={"ping": 1}, timeout=(3, 10))
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from .client import Transport
from .outcome import ErrorClass, Outcome, Request

CONNECT_SECONDS = 5.0
"""Connect deadline where the caller gives none."""
TOTAL_SECONDS = 30.0
"""Total deadline where the caller gives none."""
READ_BYTES = 1024 * 1024
"""A larger answer is an error, unless the adapter was made with another limit."""

_OURS = frozenset(("accept-encoding", "connection", "content-length", "transfer-encoding"))
"""Headers that requests may set; the transport sets its own."""
_RAISED: Mapping[ErrorClass, type[requests.RequestException]] = {
    ErrorClass.ADDRESS_REFUSED: requests.exceptions.InvalidURL,
    ErrorClass.CONNECT_TIMEOUT: requests.exceptions.ConnectTimeout,
    ErrorClass.RESPONSE_TIMEOUT: requests.exceptions.ReadTimeout,
    ErrorClass.TLS_FAILED: requests.exceptions.SSLError,
    ErrorClass.DNS_FAILED: requests.exceptions.ConnectionError,
    ErrorClass.DNS_TIMEOUT: requests.exceptions.ConnectTimeout,
    ErrorClass.CONNECT_REFUSED: requests.exceptions.ConnectionError,
    ErrorClass.CONNECTION_RESET: requests.exceptions.ConnectionError,
    ErrorClass.UNREACHABLE: requests.exceptions.ConnectionError,
    ErrorClass.INVALID_RESPONSE: requests.exceptions.ConnectionError,
}


class GuardedAdapter(BaseAdapter):
    """Carries a session's requests over a `Transport`, with its address guard, deadlines and limits.

    Each request gets a connection of its own. Responses and exceptions have the `Outcome` as attribute `outcome`.

    Args:
        transport: What sends.
        read_bytes: Longest answer body that is accepted, in bytes.
    """

    def __init__(self, transport: Transport, *, read_bytes: int = READ_BYTES) -> None:
        super().__init__()
        self._transport = transport
        self._read_bytes = read_bytes

    def send(  # noqa: PLR0917 requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send the request, wait for the whole answer, and return it.

        Args:
            request: What to send.
            stream: Without effect: the answer is read whole, as far as the limit goes.
            timeout: Seconds, or (seconds to connect, seconds for everything).
            verify: Must be True; certificates are always verified.
            cert: Must be None.
            proxies: Must be empty; the guard would not see where a proxy goes.

        Raises:
            requests.RequestException: Nothing came back, the place may not be called, or the answer is too long.
            ValueError: An option that the guarded exit doesn't have, or a header that is the transport's to set.
        """
        if verify is not True or cert or proxies:
            raise ValueError("verify, cert and proxies can't be changed on the guarded exit; leave them out")
        connect, total = _deadlines(timeout)
        assert request.url is not None
        outcome = self._transport.send(
            Request(
                url=request.url,
                headers=[(name, value) for name, value in request.headers.items() if name.lower() not in _OURS],
                body=_whole(request.body),
                connect_timeout=min(connect, total),
                total_timeout=total,
                method=request.method or "GET",
                read_bytes=self._read_bytes,
                keep_bytes=self._read_bytes,
            )
        )
        if outcome.status_code is None:
            raise _error(outcome, request)
        if outcome.body_truncated:
            raise _error(outcome, request, requests.exceptions.ContentDecodingError)
        return _response(outcome, request)

    def close(self) -> None:
        """Do nothing: the transport outlives its sessions."""


class GuardedSession(requests.Session):
    """A session that takes nothing from the environment, adds no headers, keeps no cookies and follows no redirects."""

    def __init__(self, adapter: GuardedAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: Any) -> None:
        """Lead nowhere: a redirect is an answer like any other."""


def guarded_session(transport: Transport, *, read_bytes: int = READ_BYTES) -> GuardedSession:
    """Return a `requests.Session` that sends over the transport; see `GuardedAdapter` for the arguments."""
    return GuardedSession(GuardedAdapter(transport, read_bytes=read_bytes))


def _deadlines(timeout: Any) -> tuple[float, float]:
    if isinstance(timeout, tuple):
        connect, total = timeout
        return float(connect or CONNECT_SECONDS), float(total or TOTAL_SECONDS)
    return (CONNECT_SECONDS, TOTAL_SECONDS) if timeout is None else (float(timeout), float(timeout))


def _whole(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if hasattr(body, "read"):
        return _whole(body.read())
    return b"".join(map(_whole, body))


def _error(
    outcome: Outcome,
    request: requests.PreparedRequest,
    kind: type[requests.RequestException] | None = None,
) -> requests.RequestException:
    assert kind or outcome.error
    kind = kind or _RAISED.get(outcome.error or ErrorClass.INTERNAL, requests.RequestException)
    error = kind(outcome.detail, request=request)
    error.outcome = outcome  # type: ignore[attr-defined]
    return error


def _response(outcome: Outcome, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    assert outcome.status_code is not None
    response.status_code = outcome.status_code
    response.headers = CaseInsensitiveDict(outcome.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(outcome.body)
    response.request = request
    response.url = request.url or ""
    response.outcome = outcome  # type: ignore[attr-defined]
    return response
