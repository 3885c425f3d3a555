"""What people see: a table of the webhooks, the latest deliveries, and where to go from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.utils import timezone
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deliveries.management.demo.cast import Cast
from deliveries.management.demo.expectations import Verdict
from deliveries.models import Delivery

LATEST = 14
"""Deliveries shown in the lower table."""

STYLES = {
    Delivery.Status.PENDING: "cyan",
    Delivery.Status.SENDING: "cyan",
    Delivery.Status.RETRYING: "yellow",
    Delivery.Status.DELIVERED: "green",
    Delivery.Status.DEAD: "red",
}


def tables(cast: Cast) -> RenderableType:
    """Return both tables as things stand."""
    rows = list(
        Delivery.objects.filter(webhook__in=[player.webhook for player in cast.players]).select_related("webhook")
    )
    return Group(_webhooks(cast, rows), Text(), _latest(rows))


def _webhooks(cast: Cast, rows: list[Delivery]) -> Table:
    table = Table(title="Five webhooks, a dialect each", title_justify="left", expand=False)
    for heading in ("dialect", "its receiver"):
        table.add_column(heading)
    for heading in ("waiting", "retrying", "delivered", "in review", "requests", "verified"):
        table.add_column(heading, justify="right")
    for player in cast.players:
        states = Counter(row.status for row in rows if row.webhook_id == player.webhook.pk)
        seen = player.log.all()
        verified = sum(not one.problem for one in seen)
        numbers = (
            (states["pending"] + states["sending"], "cyan"),
            (states["retrying"], "yellow"),
            (states["delivered"], "green"),
            (states["dead"], "red"),
            (len(seen), ""),
            (verified, "green" if verified == len(seen) else "red"),
        )
        cells = [Text(str(number), style if number else "dim") for number, style in numbers]
        table.add_row(player.role.dialect, player.role.manner, *cells)
    return table


def _latest(rows: list[Delivery]) -> Table:
    table = Table(title="Latest deliveries", title_justify="left", expand=False)
    for heading in ("time", "event", "dialect", "status"):
        table.add_column(heading)
    for heading in ("attempts", "answer", "took"):
        table.add_column(heading, justify="right")
    moved = sorted(rows, key=lambda row: (row.last_attempt_at or row.created_at, row.pk), reverse=True)
    for row in moved[:LATEST]:
        status = Delivery.Status(row.status)
        table.add_row(
            f"{timezone.localtime(row.last_attempt_at or row.created_at):%H:%M:%S}",
            row.event_type,
            row.webhook.dialect,
            Text(status.label, STYLES.get(status, "")),
            str(row.attempt_count),
            str(row.last_status_code or row.last_error or "-"),
            "-" if row.response_ms is None else f"{row.response_ms:.0f} ms",
        )
    return table


def directions(cast: Cast, web_url: str, logs: str) -> RenderableType:
    """Return where to look, as whom to log in, and what to try."""
    table = Table.grid(padding=(0, 2))
    review = f"{web_url}/admin/deliveries/deadletter/"
    for name, value in (
        ("Admin", f"{web_url}/admin/"),
        ("Login", f"{cast.username}   {cast.password}"),
        ("API key", cast.api_key),
        ("API", f"{web_url}/api/docs/"),
        ("Merchant", cast.merchant.public_id),
        ("Logs", logs),
        ("Try", f"manage.py publish order.created --merchant {cast.merchant.public_id}"),
        ("", f"The cryptlex receiver is mended now: replay what waits in review at {review}"),
        ("End", "Ctrl-C"),
    ):
        table.add_row(Text(name, "bold"), Text(value, overflow="fold"))
    return table


def verdicts(found: Iterable[Verdict]) -> str:
    """Return the summary, a line an expectation, as rich markup."""
    marks = {True: "[green]ok    [/]", False: "[red]FAILED[/]"}
    return "\n".join(f"{marks[one.held]} {escape(one.expected)} [dim]({escape(one.seen)})[/]" for one in found)
