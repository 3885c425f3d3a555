"""The test button: one sample event sent now, past the queue, with the whole exchange for the merchant to see."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils import timezone

from deliveries import egress, rendering
from deliveries.dialects import Message
from deliveries.outcomes import MASKED
from deliveries.targets import Target, target_of_webhook
from deliveries.transport import Outcome, Request
from subscriptions import ids, patterns, selectors
from subscriptions.models import EventType, Webhook


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent and what came of it. `headers` are those sent, with secrets masked."""

    event: str
    request: Request
    headers: list[tuple[str, str]]
    outcome: Outcome

    @property
    def verdict(self) -> str:
        """Return what the merchant should know, in a sentence."""
        code = self.outcome.status_code
        if not self.outcome.delivered:
            return self.outcome.detail or "The endpoint did not accept the event."
        if code != 200:
            return f"The endpoint answered {code}. That counts as delivered; Alva and Shopery ask for exactly 200."
        return "The endpoint answered 200."


def prepare(webhook: Webhook, event: str | None = None) -> tuple[EventType, Message, Target]:
    """Return what `send` sends: the catalogue's example of `event`, by default of the first event subscribed to.

    Raises ValidationError for an unknown event, and for a webhook that no known event matches.
    """
    entry = _entry(webhook, event)
    now = timezone.now()
    message = Message(
        event_id=ids.new_id(ids.EVENT),
        event=entry.name,
        occurred_at=now,
        data=entry.example,
        shop=webhook.merchant.domain,
        api_version=webhook.api_version,
        attempt=1,
        sent_at=now,
        body_style=webhook.body_style,  # type: ignore[arg-type]
        test=True,
    )
    secrets = selectors.signing_secrets([webhook.pk])[webhook.pk]
    return entry, message, target_of_webhook(webhook, secrets)


def send(entry: EventType, message: Message, target: Target) -> Exchange:
    """Send it and wait for the answer, at most the webhook's timeout. Holds no database connection."""
    try:
        request = rendering.request_of(message, target)
        secrets = target.secrets
    except ValueError as error:
        raise ValidationError({"webhook": [f"The request could not be made: {error}"]}) from error
    outcome = egress.transport().send(request)
    shown = [(name, MASKED if any(one in value for one in secrets) else value) for name, value in request.headers]
    return Exchange(entry.name, request, shown, outcome)


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
