"""`manage.py doctor`: is everything there that deliveries need? Exits 1 on a problem."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from deliveries.management.doctor import CHECKS, NOTE, OK, PROBLEM, Finding, examine


class Command(BaseCommand):
    help = "Check database, Redis, broker, workers, beat, keys and safety settings, and say how to fix what is wrong."
    requires_system_checks = []  # they are one of the findings

    def add_arguments(self, parser: CommandParser) -> None:
        names = [check.__name__ for check in CHECKS]
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--only", action="append", choices=names, metavar="PART", help=f"one of {', '.join(names)}")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = []
        for finding in examine(options["only"] or ()):
            findings.append(finding)
            if not options["json"]:
                self._print(finding)
        problems = sum(finding.status == PROBLEM for finding in findings)
        if options["json"]:
            shown = {"ok": not problems, "checks": [finding.as_dict() for finding in findings]}
            self.stdout.write(json.dumps(shown, indent=2))
        else:
            self.stdout.write(f"{problems} problems." if problems != 1 else "1 problem.")
        if problems:
            sys.exit(1)

    def _print(self, finding: Finding) -> None:
        style = {OK: self.style.SUCCESS, NOTE: self.style.WARNING, PROBLEM: self.style.ERROR}[finding.status]
        self.stdout.write(f"{style(finding.status.ljust(7))} {finding.name + ':':<16} {finding.text}")
        if finding.fix:
            self.stdout.write(f"{'':24} {finding.fix}")
