"""Cells of lists: two lines, the first what people look for, and addresses that keep their host whole.

A list at 1,280 pixels is read without scrolling sideways; what is cut stands whole where the mouse points, and on the
row's page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from subscriptions.admin.local_times import DASH

PATH_SHOWN: Final = 20
"""Characters of an address' path and query that a list shows; the end tells more than the middle."""


def lines(first: str, second: str = "") -> SafeString:
    """Return two lines of a cell, each cut where it is too long and whole as its title."""
    cell = '<span class="desk-two"><span title="{}">{}</span>'
    if not second:
        return format_html(cell + "</span>", first, first)
    return format_html(cell + '<small title="{}">{}</small></span>', first, first, second, second)


def clamped(sentence: str) -> SafeString:
    """Return a sentence that a list cuts after two lines; it is whole where the mouse points."""
    return format_html('<span class="desk-clamp" title="{}">{}</span>', sentence, sentence)


def public_keys(keys: Sequence[str], *, beside_shared: bool) -> SafeString:
    """Return the keys that verify a webhook's signatures, whole, to be copied."""
    listed = format_html_join(mark_safe("<br>"), "<code>{}</code>", ((key,) for key in keys))
    told = "Public key of the pair that signs" if len(keys) == 1 else "Public keys of the pairs that sign"
    return format_html("{}{}:<br>{}", told, ", beside a shared secret" if beside_shared else "", listed)


def webhook(name: str, url: str) -> SafeString:
    """Return a webhook's name over its address, or a queue's words; they alone where it has no name."""
    cell = '<span class="desk-two"><span title="{}">{}</span><small title="{}">{}</small></span>'
    host, rest = _parts(url)
    return format_html(cell, name or url, name or host, url, shortened(url) if name else rest)


def shortened(url: str) -> str:
    """Return an address without `https://`, its host whole and the middle of a long path left out."""
    host, rest = _parts(url)
    return host + rest


def brief(when: datetime | None) -> str:
    """Return a `<time>` element of two lines, the time over the day, for a column whose head names UTC."""
    if when is None:
        return DASH
    utc = when.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-desk="moment" class="desk-two"><span>{}</span><small>{}</small></time>',
        utc.isoformat(),
        f"{utc:%H:%M:%S}",
        f"{utc:%-d %b %Y}",
    )


def _parts(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:  # what was stored before a rule refused it
        return url, ""
    if not parts.netloc:  # a queue in words
        return url, ""
    host = parts.netloc.rpartition("@")[2]
    rest = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    if len(rest) > PATH_SHOWN:
        rest = f"{rest[: PATH_SHOWN // 2 - 1]}…{rest[-PATH_SHOWN // 2 :]}"
    return ("" if parts.scheme == "https" else f"{parts.scheme}://") + host, rest
