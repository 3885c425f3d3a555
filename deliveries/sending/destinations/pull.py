"""A feed: nothing is sent. A program of the merchant's fetches each message as an endpoint would have received it.

`deliveries.queueing.feeds` says which messages, `deliveries.api.feed` answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from deliveries.sending.destinations import https
from deliveries.sending.destinations.base import Destination
from subscriptions.webhook_rules import PULL, CheckedDestination


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Refuse settings: a feed is at the platform's own API."""
    wrong = [name for name, value in (("destination", settings), ("credentials", credentials)) if value != {}]
    if wrong:
        raise ValidationError({name: ["A webhook of the kind pull has none. Leave it out."] for name in wrong})
    return CheckedDestination("", {}, {})


def describe(settings: Mapping[str, Any]) -> str:
    """Return that it is fetched."""
    return "Feed that your program fetches"


DESTINATION = Destination(
    name=PULL,
    label="Feed to fetch events from",
    settings=(),
    credentials=(),
    check=check,
    request=https.request,
    outcome=https.outcome,
    describe=describe,
)
