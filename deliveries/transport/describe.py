"""From what came over the wire, or its lack, to an `Outcome`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import pycurl

from deliveries.sentences import answered

from .answer import Answer
from .exchange import Exchange
from .outcome import KEEP_HEADER_BYTES, KEEP_HEADERS, ErrorClass, Fault, Outcome

RESENT = "The request left twice: your endpoint closed or spoilt the kept connection just as it was used again."

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BLANK = " \t\r\n"
_SECONDS = re.compile(r"[0-9]{1,10}").fullmatch


def describe(exchange: Exchange, answer: Answer, note: str | None = None) -> Outcome:
    """Put an answer whose status is known into an `Outcome`; `note` says what became of the rest of it."""
    note = answer.note or note
    error, detail = _verdict(answer.status)
    if note:
        detail = f"{detail} {note}"
    if exchange.resent:
        detail = f"{detail} {RESENT}"
    headers = _read_headers(answer.lines[1:])
    return Outcome(
        status_code=answer.status,
        error=error,
        detail=detail,
        headers=_keep_headers(headers),
        body=answer.body,
        body_truncated=note is not None or answer.read > len(answer.body),
        body_bytes_read=answer.read,
        retry_after=_retry_after(headers),
        permanent=answer.status == HTTPStatus.GONE,
        **_measured(exchange),
    )


def failed(exchange: Exchange, fault: Fault) -> Outcome:
    """Describe a request that got no answer."""
    detail = f"{fault.detail} {RESENT}" if exchange.resent else fault.detail
    return Outcome(error=fault.error, detail=detail, permanent=fault.permanent, **_measured(exchange))


def _measured(exchange: Exchange) -> dict[str, Any]:
    started = exchange.started
    connection = exchange.connection
    total_ms = (time.monotonic() - started) * 1000
    if connection is None:
        return {"total_ms": total_ms, "dns_ms": exchange.dns_ms, "resent": exchange.resent}
    ask = connection.curl.getinfo
    first_byte = ask(pycurl.STARTTRANSFER_TIME)
    measured = {
        "total_ms": total_ms,
        "dns_ms": exchange.dns_ms,
        "resent": exchange.resent,
        "remote_address": connection.address,
        "reused_connection": connection.reused,
        "first_byte_ms": (exchange.launched - started + first_byte) * 1000 if first_byte else None,
    }
    if not connection.reused:
        connected = ask(pycurl.CONNECT_TIME)
        if connected and exchange.connected_from is not None:
            measured["connect_ms"] = (exchange.launched - exchange.connected_from + connected) * 1000
        secured = ask(pycurl.APPCONNECT_TIME)
        if secured:
            measured["tls_ms"] = (secured - connected) * 1000
    return measured


@cache
def _verdict(status: int) -> tuple[ErrorClass | None, str]:
    told = answered(status)
    if 200 <= status < 300:
        return None, told
    if 300 <= status < 400:
        return ErrorClass.REDIRECT, f"{told[:-1]}; redirects are not followed, change the URL."
    return ErrorClass.HTTP_ERROR, told


def _read_headers(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    """Split the lines of a head; one that goes on in the next (RFC 9112 §5.2) becomes one again."""
    headers: list[tuple[str, str]] = []
    for line in lines:
        text = line.decode("latin-1")
        name, _, value = text.partition(":")
        if text[0] in " \t" and headers:
            name, before = headers.pop()
            value = f"{before} {text.strip()}"
        headers.append((name.strip(_BLANK), value.strip(_BLANK)))
    return headers


def _keep_headers(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the first headers, so that they can be shown."""
    text = "".join(["".join(header) for header in headers])
    if len(headers) <= KEEP_HEADERS and len(text) <= KEEP_HEADER_BYTES and text.isprintable():
        return tuple(headers)  # as nearly all are
    kept: list[tuple[str, str]] = []
    room = KEEP_HEADER_BYTES
    for name, value in headers:
        if len(kept) == KEEP_HEADERS or room <= 0:
            break
        shown = _visible(name)[:room]
        kept.append((shown, _visible(value)[: room - len(shown)]))
        room -= sum(map(len, kept[-1]))
    return tuple(kept)


def _visible(text: str) -> str:
    """Write control characters as escapes: databases refuse NUL in text, and terminals obey the others."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _retry_after(headers: list[tuple[str, str]]) -> float | None:
    value = date = None
    for name, text in headers:
        if len(name) == 11 and value is None and name.lower() == "retry-after":
            value = text
        elif len(name) == 4 and date is None and name.lower() == "date":
            date = text
    return parse_retry_after(value, date)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Read a Retry-After header, as seconds from now (RFC 9110 §10.2.3); None when there is none or it makes no sense.

    Args:
        value: A number of seconds or an HTTP date; a date that has passed gives 0.
        date: The answer's Date header. The receiver wrote both by one clock, so their difference is what it asks for,
            however wrong that clock is or ours; without it, this host's clock must do.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS(value):
        return float(value)
    when = _http_date(value)
    if when is None:
        return None
    now = _http_date(date) if date else None
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
