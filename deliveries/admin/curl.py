"""A request as a cURL command. Secrets stand masked, as in the log."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def command(url: str, headers: Iterable[tuple[str, str]], body: str) -> str:
    """Return the command that sends the same request, a line for each option."""
    lines = [f"curl -X POST {shlex.quote(url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers]
    lines.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(lines)
