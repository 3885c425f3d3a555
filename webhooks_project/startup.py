"""What a process of the service says of its environment when it starts."""

from __future__ import annotations

from django.conf import settings

from subscriptions.logs import get_logger

log = get_logger(__name__)


def name_unknown_variables() -> None:
    """Write to the log which variables with our prefix mean nothing: mostly one is misspelt."""
    for name, meant in settings.UNKNOWN_VARIABLES.items():
        log.warning("unknown_variable", variable=name, **({"meant": meant} if meant else {}))
