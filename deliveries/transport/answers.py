"""From the wire's answer, or its lack, to an `Outcome`."""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from urllib3.exceptions import HTTPError

from .outcome import KEEP_BYTES, KEEP_HEADER_BYTES, KEEP_HEADERS, READ_BYTES, ErrorClass, Fault, Outcome
from .wire import BODY_WIRE_BYTES, Exchange

MAX_BODY_READS = 1024
"""A body in more pieces than this is cut: tiny chunks cost us far more than the receiver who sends them."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SECONDS = re.compile(r"[0-9]{1,10}").fullmatch


def describe(exchange: Exchange, raw: Any) -> Outcome:
    """Read the body of an answer (urllib3's response) as far as allowed and put the whole into an `Outcome`."""
    exchange.body_phase = True
    exchange.allowance = exchange.received + BODY_WIRE_BYTES
    kept, read, note = _read_body(raw)
    status: int = raw.status
    error, detail = _verdict(status)
    if note:
        detail = f"{detail} {note}"
    return Outcome(
        status_code=status,
        error=error,
        detail=detail,
        headers=_keep_headers(raw.headers.iteritems()),
        body=kept,
        body_truncated=read > len(kept) or note is not None,
        body_bytes_read=read,
        retry_after=parse_retry_after(raw.headers.get("Retry-After"), raw.headers.get("Date")),
        permanent=status == HTTPStatus.GONE,
        **_measured(exchange),
    )


def failed(exchange: Exchange, fault: Fault) -> Outcome:
    """Describe a send that got no answer."""
    return Outcome(error=fault.error, detail=fault.detail, permanent=fault.permanent, **_measured(exchange))


def _measured(exchange: Exchange) -> dict[str, Any]:
    started = exchange.started
    first_byte = exchange.first_byte
    return {
        "remote_address": exchange.address,
        "reused_connection": exchange.sent is not None and not exchange.opened,
        "dns_ms": exchange.dns_ms,
        "connect_ms": exchange.connect_ms,
        "tls_ms": exchange.tls_ms,
        "first_byte_ms": None if first_byte is None else (first_byte - started) * 1000,
        "total_ms": (time.monotonic() - started) * 1000,
        "resent": exchange.resent,
    }


def _read_body(raw: Any) -> tuple[bytes, int, str | None]:
    """Return the bytes kept, the number read, and a sentence when the body wasn't read to its end."""
    kept, read = b"", 0
    note: str | None = None
    whole = False
    try:
        for _ in range(MAX_BODY_READS):
            # asking for one byte more tells a body that is too long from one that just fits
            chunk = raw.read1(READ_BYTES + 1 - read, decode_content=False)
            read += len(chunk)
            if len(kept) < KEEP_BYTES:
                kept += chunk[: KEEP_BYTES - len(kept)]
            if not chunk or raw.length_remaining == 0 or read > READ_BYTES:
                whole = read <= READ_BYTES
                break
        if not whole:
            note = "Its body is too long; the rest was not read."
    except Fault as fault:
        if fault.error is ErrorClass.INVALID_RESPONSE:  # the allowance: more framing than body
            note = "Its body is too long; the rest was not read."
        elif fault.error is ErrorClass.RESPONSE_TIMEOUT:
            note = "Its body did not end in time and was cut."
        else:
            note = "Its body broke off."
    except (HTTPError, ValueError):
        note = "Its body broke off or is malformed."
    finally:
        if not whole:
            raw.close()
        raw.release_conn()
    return kept, min(read, READ_BYTES), note


def _verdict(status: int) -> tuple[ErrorClass | None, str]:
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"  # ours, not the receiver's: it goes into logs and pages
    except ValueError:
        phrase = str(status)
    if 200 <= status < 300:
        return None, f"The receiver answered {phrase}."
    if 300 <= status < 400:
        return ErrorClass.REDIRECT, f"The receiver answered {phrase}; redirects are not followed, change the URL."
    return ErrorClass.HTTP_ERROR, f"The receiver answered {phrase}."


def _keep_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
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
