"""How commands talk to people."""

from __future__ import annotations

from typing import IO, cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where there is no terminal."""


def as_command_error(error: ValidationError) -> CommandError:
    """Return the error for the terminal: a line `field: what is wrong and how to fix it` for each problem."""
    return CommandError("\n".join(f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts))


def console_of(command: BaseCommand) -> Console:
    """Return a rich console that writes where the command's `stdout` goes."""
    file = cast(IO[str], command.stdout._out)
    return Console(file=file, highlight=False, width=None if file.isatty() else PLAIN_WIDTH)
