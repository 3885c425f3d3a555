"""`manage.py publish EVENT --merchant M`: publish one event."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deliveries.management.terminal import as_command_error
from deliveries.models import Delivery
from deliveries.publishing import publish
from deliveries.publishing.service import JsonText
from subscriptions.selectors import event_type_named


class Command(BaseCommand):
    help = "Publish an event, with the catalogue's example as its data unless a file is given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event", help="the event's name, such as order.created")
        parser.add_argument("--merchant", required=True, help="the merchant's mch_… id")
        parser.add_argument("--data", metavar="FILE", help="a file with the data, a JSON object; - is standard input")
        parser.add_argument("--id", help="the event's own id; published twice, the second is dropped")
        parser.add_argument("--resource-id", default="", metavar="R", help="what it happened to, for search and order")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["event"]
        try:
            event = publish(
                name,
                self._data(options["data"], name),
                merchant=options["merchant"],
                id=options["id"],
                resource_id=options["resource_id"],
            )
        except ValidationError as error:
            raise as_command_error(error) from error
        rows = event.deliveries.all()
        skipped = rows.filter(status=Delivery.Status.SKIPPED).count()
        shown = {"id": event.public_id, "event": event.type, "deliveries": rows.count() - skipped, "skipped": skipped}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write("{id} {event}: deliveries {deliveries}, skipped {skipped}".format(**shown))
        if not rows.exists():
            self.stdout.write("No webhook of this merchant listens to this event.")

    def _data(self, source: str | None, name: str) -> JsonText:
        if source is None:
            entry = event_type_named(name)
            return JsonText(entry.example if entry else "{}")  # publishing says what is wrong with an unknown name
        try:
            raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        except OSError as error:
            raise CommandError(f"--data {source}: {error.strerror}. Name a file with a JSON object, or -.") from error
        try:
            return JsonText(raw.decode())
        except UnicodeDecodeError as error:
            raise CommandError(f"--data {source}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from error
