"""Events that fit the limit as they are stored, but not in the body style of a webhook that would get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.core.exceptions import ValidationError

from deliveries import dialects
from deliveries.dialects.base import data_size
from deliveries.payloads import filters
from deliveries.publishing.validation import ENVELOPE_MAX, Row
from subscriptions.conf import settings
from subscriptions.matching import KnownEvent
from subscriptions.models import Merchant, Subscription, Webhook

GROWTH_MAX: Final = 3
"""The python style writes `é`, two bytes, as six characters, and nothing grows more."""


def longest() -> int:
    """Return the bytes that the data of an event may take in a body."""
    return settings.WEBHOOKS_BODY_MAX - ENVELOPE_MAX


def check(rows: Sequence[Row], entries: Mapping[str, KnownEvent], merchant: Merchant) -> None:
    """Refuse events that a webhook which would get them couldn't be sent. Asks nothing unless an event is large.

    Args:
        rows: Checked events of one merchant.
        entries: Name → entry of the catalogue, by the names that callers gave.
        merchant: Whose webhooks they go to.

    Raises ValidationError, as `events.3.data`.
    """
    large = [(position, row) for position, row in enumerate(rows) if row.size * GROWTH_MAX > longest()]
    if not large:
        return
    patterns = {entry.name: entry.patterns for entry in entries.values()}
    errors = {}
    for position, row in large:
        for webhook in _growing(merchant, patterns[row.type]):
            refused = webhook.filter and filters.refusal(webhook.filter, row.type, row.data)
            if not refused and (size := too_large(webhook, row.data)):
                errors[f"events.{position}.data"] = [
                    f"The data takes {size} bytes in the body style of webhook {webhook.public_id}; "
                    f"at most {longest()} are sent. "
                    "Send ids and let your endpoint fetch the rest, or choose the compact style."
                ]
                break
    if errors:
        raise ValidationError(errors)


def too_large(webhook: Webhook, data: str) -> int:
    """Return the bytes that event data takes in this webhook's body, if they are too many; else 0."""
    if webhook.body_style not in dialects.get(webhook.dialect).body_styles or webhook.body_style == "compact":
        return 0
    chosen = filters.project(data, webhook.fields) if webhook.fields else data
    size = data_size(chosen, webhook.body_style)
    return size if size > longest() else 0


def _growing(merchant: Merchant, patterns: set[str]) -> list[Webhook]:
    """Return the webhooks that get the event in another style than compact."""
    heard = Subscription.objects.filter(merchant_id=merchant.pk, ended_at=None, pattern__in=patterns)
    webhooks = Webhook.objects.filter(merchant_id=merchant.pk, deleted_at=None, is_enabled=True)
    return list(webhooks.exclude(body_style=Webhook.BodyStyle.COMPACT).filter(pk__in=heard.values("webhook_id")))
