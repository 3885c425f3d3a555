"""Why an event went to a webhook, or why not, as the API shows it."""

from __future__ import annotations

from typing import Any

from deliveries.models import Event
from deliveries.reporting import explanations


def explain(event: Event) -> list[dict[str, Any]]:
    """Return an entry for each webhook: what became of the event there, and the reason in a sentence."""
    return [
        {
            "webhook": reason.webhook.public_id,
            "url": reason.webhook.url,
            "delivery": reason.delivery and reason.delivery.public_id,
            "status": reason.status,
            "reason": reason.text,
        }
        for reason in explanations.reasons(event)
    ]
