"""`manage.py partition_attempts`: have the log of attempts in parts that go as a whole, or in one table again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deliveries.db import attempt_parts
from deliveries.maintenance import parts_conversion
from deliveries.maintenance.parts_conversion import CannotConvert


class Command(BaseCommand):
    help = (
        "Have the table of attempts in parts, which retention drops as a whole. Everything may go on meanwhile; it may "
        "be stopped anywhere and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--whole",
            action="store_true",
            help="the way back: one table again, while web, workers and beat are stopped; all attempts are copied",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        change = parts_conversion.to_whole if options["whole"] else parts_conversion.to_parts
        try:
            change(self._tell)
        except CannotConvert as error:
            raise CommandError(str(error)) from error
        found = attempt_parts.read()
        if found is None:
            self._tell("Attempts are in one table.")
        else:
            self._tell(f"Attempts are in {len(found.ranges)} parts, {found.ahead} of them for what comes.")

    def _tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
