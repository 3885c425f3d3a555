"""The test button's side of the API: which sample is sent, and what the merchant should know of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError

from deliveries.queueing.webhook_settings import settings_of
from deliveries.sending import test_sends
from deliveries.sending.test_sends import PreparedSend
from deliveries.transport import Outcome
from subscriptions import patterns, selectors
from subscriptions.models import EventType, Webhook


@dataclass(frozen=True, slots=True)
class SampleSent:
    """What was sent and what came of it."""

    prepared: PreparedSend
    outcome: Outcome

    @property
    def verdict(self) -> str:
        """Return what the merchant should know, in a sentence."""
        code = self.outcome.status_code
        if not self.outcome.delivered:
            return self.outcome.detail or "Your endpoint did not accept the event."
        if code != 200:
            return f"Your endpoint answered {code}. That counts as delivered; Alva and Shopery ask for exactly 200."
        return "Your endpoint answered 200."


def prepare(webhook: Webhook, event: str | None = None) -> PreparedSend:
    """Return what a test sends: the catalogue's example of `event`, by default of the first event subscribed to.

    Raises ValidationError for an unknown event, for a webhook that no known event matches, and for one that can't sign.
    """
    secrets = selectors.signing_secrets([webhook.pk])[webhook.pk]
    return test_sends.prepare(_entry(webhook, event), settings_of(webhook, secrets))


def _entry(webhook: Webhook, event: str | None) -> EventType:
    if event:
        entry = selectors.event_type_named(event)
        if entry is None:
            raise ValidationError({"event": [f"There is no event {event[:100]!r}. See the list of event types."]})
        return entry
    for pattern in selectors.patterns_of(webhook):
        for entry in EventType.objects.filter(is_active=True).order_by("id"):
            if patterns.matches(pattern, entry.name, entry.aliases):
                return entry
    raise ValidationError({"event": ["The webhook's patterns match no event of the catalogue. Name an event."]})
