"""Trying a webhook out: a sample event, made and sent as deliveries are, but at once and without a row.

It leaves the house through the same renderer and the same transport, guard and all, marked with the header
`webhook-test`. The admin's Test button and the API's `POST webhooks/{id}/test` both come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.exceptions import ValidationError

from deliveries.queueing.webhook_settings import Target
from deliveries.sending.masking import masked, without_echo
from deliveries.sending.process_transport import transport
from deliveries.sending.rendering import message_of, request_of
from deliveries.transport import Outcome, Request
from subscriptions import ids
from subscriptions.models import EventType


@dataclass(frozen=True, slots=True)
class Trial:
    """A sample request, ready to be sent."""

    entry: EventType
    target: Target
    request: Request

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The request's headers for eyes: secrets are masked."""
        return list(masked(self.request.headers, self.target.secrets))


def prepare(entry: EventType, target: Target) -> Trial:
    """Return the request that tells `target` of the catalogue's example of an event.

    Raises ValidationError when the webhook's settings or secrets don't allow one.
    """
    now = datetime.now(UTC)
    message = message_of(
        target,
        event_id=ids.new_id(ids.EVENT),
        event=entry.name,
        occurred_at=now,
        data=entry.example,
        attempt=1,
        sent_at=now,
        test=True,
    )
    try:
        return Trial(entry, target, request_of(message, target))
    except ValueError as error:
        raise ValidationError({"secret": [f"The message can't be signed: {error}"]}) from error


def send(trial: Trial) -> Outcome:
    """Send the sample and return what came of it; takes as long as the webhook's timeout at most."""
    return without_echo(transport().send(trial.request), trial.request, trial.target.secrets)
