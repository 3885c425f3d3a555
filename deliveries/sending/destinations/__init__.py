"""Kinds of webhooks: where a message goes and what an answer means. Everything between is the same for all of them.

A kind is one module with one `DESTINATION`; none of them knows a network, each makes requests for the one exit.
"""

from __future__ import annotations

from typing import Final

from deliveries.sending.destinations import eventbridge, https, pubsub, pull, sqs
from deliveries.sending.destinations.base import Destination, TooLarge

__all__ = ["KINDS", "Destination", "TooLarge", "get"]

KINDS: Final = {module.DESTINATION.name: module.DESTINATION for module in (https, eventbridge, sqs, pubsub, pull)}


def get(kind: str) -> Destination:
    """Return a kind by its name. Raises ValueError naming those there are."""
    try:
        return KINDS[kind]
    except KeyError:
        raise ValueError(f"kind: {kind!r} is not known to this release; it knows {', '.join(KINDS)}.") from None
