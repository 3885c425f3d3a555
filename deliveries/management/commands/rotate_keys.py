"""`manage.py rotate_keys`: encrypt what is stored under the newest key, and say which older ones can go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deliveries.management.terminal import console_of
from subscriptions import re_encryption
from subscriptions.conf import settings
from subscriptions.re_encryption import PLACES, UNREADABLE, Place, Step


class Command(BaseCommand):
    help = (
        "Encrypt stored secrets and credentials under the first key of WEBHOOKS_ENCRYPTION_KEYS, then say which of the "
        "others are needed no more. Safe at any time; it may be stopped anywhere."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say which keys are needed; nothing is written")

    def handle(self, *_args: Any, **options: Any) -> None:
        columns = [TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        with Progress(*columns, console=console_of(self)) as progress:
            if not options["dry_run"]:
                _walk("rewriting", re_encryption.rotate, progress)
            needed = _walk("checking", re_encryption.count, progress)
        self._tell(needed)

    def _tell(self, needed: Counter[int]) -> None:
        keys = len(settings.WEBHOOKS_ENCRYPTION_KEYS)
        for number in range(keys):
            if number == 0:
                told = f"encrypts; {needed[0]} stored values are under it."
            elif needed[number]:
                told = f"still needed by {needed[number]} stored values. Run this command without --dry-run."
            else:
                told = (
                    "not needed any more, unless a process that doesn't have key 1 as its first yet writes under it: "
                    "restart them all, run this command again, then take it out of WEBHOOKS_ENCRYPTION_KEYS."
                )
            self.stdout.write(f"Key {number + 1} of {keys}: {told}")
        if needed[UNREADABLE]:
            raise CommandError(
                f"{needed[UNREADABLE]} stored values can't be decrypted with any key. Put the key they were written "
                "with back at the end of WEBHOOKS_ENCRYPTION_KEYS, or give those webhooks new secrets and credentials."
            )


def _walk(what: str, steps: Callable[[Place], Iterator[Step]], progress: Progress) -> Counter[int]:
    """Take the steps of every place, with a bar each; return how many values each key had encrypted."""
    keys: Counter[int] = Counter()
    for place in PLACES:
        bar = progress.add_task(f"{what} {place.name}", total=place.rows().count())
        for step in steps(place):
            keys += step.keys
            progress.advance(bar, step.looked_at)
        progress.update(bar, total=progress.tasks[bar].completed)
    return keys
