"""Times as pages show them: in UTC, named, as filters, sentences and mails take and say them.

A few lines of script tell the viewer's own zone where the mouse points, and write how long ago.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.html import format_html

DASH = "\N{EN DASH}"
"""Stands where there is nothing to show."""


def moment(when: datetime | None, *, never: str = DASH, style: str = "moment") -> str:
    """Return a `<time>` element of `when` (aware). `style` is moment, ago or countdown; `never` stands for None."""
    if when is None:
        return never
    utc = when.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-desk="{}">{} UTC</time>', utc.isoformat(), style, f"{utc:%-d %b %Y, %H:%M:%S}"
    )


def sentence(text: str, *parts: object) -> str:
    """Return `text` with the parts in place of its `{}`; datetimes become moments."""
    return format_html(text, *(moment(part) if isinstance(part, datetime) else part for part in parts))
