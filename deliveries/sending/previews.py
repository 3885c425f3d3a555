"""What a webhook's filter, chosen fields and transformation would do with events, tried before anything is saved.

Tried on the catalogue's examples and the merchant's last real events, as `webhook_advice` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deliveries import dialects, sentences
from deliveries.payloads import filter_budget, filters
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.rendering import chosen, message_of
from deliveries.sending.webhook_advice import EVENTS_MAX, Sample

PREVIEW_EXAMPLES_MAX: Final = 5
"""Catalogue examples of a preview, beside the last real events."""
PREVIEWS_SECONDS: Final = 0.5
"""Of the processor, that all samples have together."""
TOO_COSTLY: Final = "Not tried: the samples before it took all the time that a preview has."
STOPPED: Final = "Stopped: with the samples before it, it took all the time that a preview has."
EXAMPLE_ID: Final = "evt_00000000000000000000000000"
"""Stands for an event's id in a preview of the catalogue's example."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a sample: the exact body, or why there would be none."""

    sample: Sample
    body: str = ""
    reason: str = ""

    @property
    def is_sent(self) -> bool:
        """Whether a message would be sent."""
        return not self.reason


def previews(webhook: WebhookSettings, expression: str, samples: Sequence[Sample]) -> list[Preview]:
    """Return what a webhook with these settings and this filter would send for some of the samples, the newest last."""
    examples = [sample for sample in samples if not sample.public_id][:PREVIEW_EXAMPLES_MAX]
    events = [sample for sample in samples if sample.public_id][:EVENTS_MAX]
    with filter_budget.within(PREVIEWS_SECONDS):
        return [_preview(webhook, expression, sample) for sample in [*examples, *events]]


def _preview(webhook: WebhookSettings, expression: str, sample: Sample) -> Preview:
    """Return a preview, or that there was not the time: what took all of it is not told as the sample's own fault."""
    if filter_budget.is_over():
        return Preview(sample, reason=TOO_COSTLY)
    made = _made(webhook, expression, sample)
    return made if made.is_sent or not filter_budget.is_over() else Preview(sample, reason=STOPPED)


def _made(webhook: WebhookSettings, expression: str, sample: Sample) -> Preview:
    refused = filters.refusal(expression, sample.event, sample.data) if expression else None
    if refused is not None:
        return Preview(sample, reason=sentences.sentence(refused.code, refused.values))
    now = datetime.now(UTC)
    message = message_of(
        webhook,
        event_id=sample.public_id or EXAMPLE_ID,
        event=sample.event,
        occurred_at=sample.occurred_at or now,
        data=sample.data,
        attempt=1,
        sent_at=now,
    )
    try:
        return Preview(
            sample, body=dialects.get(webhook.dialect).encode(chosen(message, webhook), webhook.secrets).body.decode()
        )
    except ValueError as error:  # NotTransformed, and settings that allow no message
        return Preview(sample, reason=str(error))
