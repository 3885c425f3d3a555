"""How commands talk to people."""

from __future__ import annotations

from typing import IO, cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console


def as_command_error(error: ValidationError) -> CommandError:
    """Return the error for the terminal: a line `field: what is wrong and how to mend it` for each problem."""
    return CommandError("\n".join(f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts))


def console_of(command: BaseCommand) -> Console:
    """Return a rich console that writes where the command's `stdout` goes."""
    return Console(file=cast(IO[str], command.stdout._out), highlight=False)
