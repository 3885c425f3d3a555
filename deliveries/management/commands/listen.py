"""`manage.py listen`: a receiver on this machine that verifies, prints, and can misbehave."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deliveries import dialects
from deliveries.management.receiver import Receiver
from deliveries.management.receiver.printing import Printer
from deliveries.management.terminal import console_of

DELAY_MAX = 3600.0


class Command(BaseCommand):
    help = "Receive webhooks on this machine: verify their signatures, print them, and misbehave if asked to."
    requires_system_checks = []  # it needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=_port, default=9000, help="where to listen (9000); 0 takes a free one")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--dialect", choices=dialects.NAMES, default="standard", help="how requests are signed")
        parser.add_argument(
            "--secret",
            default="",
            help="the webhook's (--secret=… where it begins with -); without it nothing is verified",
        )
        manner = parser.add_mutually_exclusive_group()
        manner.add_argument("--fail", type=_count, default=0, metavar="N", help="503 to the first N tries of a message")
        manner.add_argument("--delay", type=_delay, default=0.0, metavar="S", help="wait S seconds before each answer")
        manner.add_argument("--status", type=_status, default=200, metavar="C", help="answer with status C")
        parser.add_argument("--quiet", action="store_true", help="one line a second with the rate, for load")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["secret"]:
            try:
                dialects.get(options["dialect"]).check_secret(options["secret"])
            except ValueError as error:
                raise CommandError(
                    f"--{error} The dialect is {options['dialect']}: --dialect names another."
                ) from error
        console = console_of(self)
        printer = Printer(console, quiet=options["quiet"], verifies=bool(options["secret"]))
        manner = {name: options[name] for name in ("dialect", "secret", "fail", "delay", "status", "host", "port")}
        receiver = Receiver(**manner, on_seen=printer.put)
        end = _told_to_end()
        try:
            receiver.start()
        except OSError as error:
            raise CommandError(
                f"Can't listen on {options['host']}:{options['port']}: {error.strerror}. Choose another --port."
            ) from error
        how = f"verifying as {options['dialect']}" if receiver.verifies else "verifying nothing (give --secret)"
        console.print(f"Listening on {receiver.url}, {how}. Ctrl-C ends it.", soft_wrap=True)
        end.wait()
        receiver.stop()
        printer.close()


def _told_to_end() -> threading.Event:
    """Return what Ctrl-C and SIGTERM set from now on."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    return end


def _port(text: str) -> int:
    return _whole(text, 0, 65535, "a port")


def _count(text: str) -> int:
    return _whole(text, 0, 1_000_000, "how many times")


def _status(text: str) -> int:
    return _whole(text, 200, 599, "a status code")


def _whole(text: str, least: int, most: int, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {least} to {most}")
    return int(text)


def _delay(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= DELAY_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to {DELAY_MAX:g}")
    return seconds
