"""What people see: a table of the webhooks, the latest deliveries, and where to go from here."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deliveries.management.demo.cast import Cast
from deliveries.management.demo.expectations import Verdict
from deliveries.models import Delivery

LATEST_MAX = 14
"""Deliveries shown in the lower table, on a screen that is high enough."""
OTHER_LINES = 16
"""Lines of the screen that are not rows of the lower table."""
LOOKED_AT = 500
"""Newest deliveries among which those that moved last are looked for."""

STYLES = {
    Delivery.Status.PENDING: "cyan",
    Delivery.Status.SENDING: "cyan",
    Delivery.Status.RETRYING: "yellow",
    Delivery.Status.DELIVERED: "green",
    Delivery.Status.DEAD: "red",
}


def tables(cast: Cast, height: int = 100) -> RenderableType:
    """Return both tables as things stand, fit for a screen of so many lines."""
    return Group(_webhooks(cast), _latest(cast, max(3, min(LATEST_MAX, height - OTHER_LINES))))


def _table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _webhooks(cast: Cast) -> Table:
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = Delivery.objects.filter(webhook__in=cast.webhooks).order_by().values_list("webhook_id", "status")
    for webhook_id, status, count in rows.annotate(count=Count("id")):
        counts[webhook_id][status] = count
    headings = ("due", "retrying", "delivered", "review", "came", "verified")
    table = _table("Webhooks", ("webhook", "its receiver"), headings)
    for player in cast.players:
        states = counts[player.webhook.pk]
        came, verified = player.log.came, player.log.verified
        numbers = (
            (states["pending"] + states["sending"], "cyan"),
            (states["retrying"], "yellow"),
            (states["delivered"], "green"),
            (states["dead"], "red"),
            (came, ""),
            (verified, "green" if verified == came else "red"),
        )
        cells = [Text(str(number), style if number else "dim") for number, style in numbers]
        table.add_row(player.role.name, player.role.manner, *cells)
    return table


def _latest(cast: Cast, limit: int) -> Table:
    newest = Delivery.objects.filter(webhook__in=cast.webhooks).select_related("webhook").order_by("-id")[:LOOKED_AT]
    moved = sorted(newest, key=lambda row: (row.last_attempt_at or row.created_at, row.pk), reverse=True)
    names = {player.webhook.pk: player.role.name for player in cast.players}
    table = _table("Latest deliveries", ("time", "event", "webhook", "status"), ("attempts", "answer", "took"))
    for row in moved[:limit]:
        status = Delivery.Status(row.status)
        table.add_row(
            f"{timezone.localtime(row.last_attempt_at or row.created_at):%H:%M:%S}",
            row.event_type,
            names[row.webhook_id],
            Text(status.label, STYLES.get(status, "")),
            str(row.attempt_count),
            str(row.last_status_code or row.last_error or "-"),
            "-" if row.response_ms is None else f"{row.response_ms:.0f} ms",
        )
    return table


def directions(cast: Cast, web_url: str, logs: str) -> RenderableType:
    """Return where to look, as whom to log in, and what to try."""
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("Shop", f"{web_url}/ (order, pay, refund, and watch the deliveries)"),
        ("Admin", f"{web_url}/admin/"),
        ("Login", cast.username),
        ("Password", cast.password),
        ("API key", cast.api_key),
        ("API", f"{web_url}/api/docs/"),
        ("Merchant", cast.merchant.public_id),
        ("Logs", logs),
        ("Try", f"{_python()} manage.py publish order.created --merchant {cast.merchant.public_id}"),
        (
            "Review",
            f"{web_url}/admin/webhooks_deliveries/deadletter/ (both broken endpoints work now: replay them)",
        ),
        ("End", "Ctrl-C"),
    ):
        table.add_row(Text(name, "bold"), Text(value, overflow="fold"))
    return table


def _python() -> str:
    """Return this interpreter as one would type it in the checkout."""
    path = Path(sys.executable)
    return str(path.relative_to(settings.BASE_DIR) if path.is_relative_to(settings.BASE_DIR) else path)


def verdicts(found: Iterable[Verdict]) -> str:
    """Return the summary, a line an expectation, as rich markup."""
    marks = {True: "[green]ok    [/]", False: "[red]FAILED[/]"}
    return "\n".join(f"{marks[one.held]} {escape(one.expected)} [dim]({escape(one.seen)})[/]" for one in found)
