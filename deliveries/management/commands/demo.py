"""`manage.py demo`: the whole product on this machine, with receivers, event buses and a feed."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from deliveries.management.demo import Stage
from deliveries.management.terminal import console_of


class Command(BaseCommand):
    help = "Start everything on this machine, publish the documents' example events to nine webhooks, and stay up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="check every expectation, then end with 0 or 1")

    def handle(self, *_args: Any, **options: Any) -> None:
        logging.getLogger().setLevel(logging.WARNING)  # what this process does stands in its tables
        console = console_of(self)
        try:
            with Stage(console) as stage:
                if not options["once"]:
                    stage.stay()
                elif not stage.play():
                    sys.exit(1)
        except KeyboardInterrupt:
            console.print("\nEnded; nothing is left running.")
