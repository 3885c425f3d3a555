"""`manage.py purge`: delete what is older than the retention settings allow, now, or say what that would be."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deliveries.maintenance import leftovers, parts, retention
from deliveries.maintenance.retention import Kind
from deliveries.management.terminal import console_of


class Command(BaseCommand):
    help = "Purge the log as the WEBHOOKS_KEEP_… settings say. What is open or in review stays. Safe at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        names = [kind.name for kind in retention.kinds()]
        parser.add_argument("--dry-run", action="store_true", help="only count; nothing is deleted")
        parser.add_argument("--only", action="append", choices=names, metavar="KIND", help=f"one of {', '.join(names)}")

    def handle(self, *_args: Any, **options: Any) -> None:
        chosen = [kind for kind in retention.kinds() if not options["only"] or kind.name in options["only"]]
        columns = [TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        with Progress(*columns, console=console_of(self), transient=options["dry_run"]) as progress:
            if options["dry_run"]:
                table = self._count(chosen, progress)
                progress.stop()
                progress.console.print(table)
                return
            leftovers.close_dead_letters()
            for kind in chosen:
                if kind.days:
                    self._purge(kind, progress)

    def _purge(self, kind: Kind, progress: Progress) -> None:
        if kind.in_parts and (dropped := parts.look_after().dropped):
            progress.console.print(f"{dropped} parts of {kind.name} were old and are gone.")
        bar = progress.add_task(kind.name, total=retention.estimate(kind))
        for step in retention.purge(kind):
            progress.advance(bar, step.purged)
        progress.update(bar, total=progress.tasks[bar].completed)

    def _count(self, chosen: list[Kind], progress: Progress) -> Table:
        """Count each kind, on a large log for minutes, with a bar over the kinds."""
        table = Table("kind", "kept", "older than", "would go")
        bar = progress.add_task("counting", total=len(chosen))
        for kind in chosen:
            progress.update(bar, description=f"counting {kind.name}")
            if kind.days:
                old = f"{kind.before():%Y-%m-%d %H:%M} UTC"
                table.add_row(kind.name, f"{kind.days} days", old, str(retention.estimate(kind)))
            else:
                table.add_row(kind.name, "for ever", "", "0")
            progress.advance(bar)
        return table
