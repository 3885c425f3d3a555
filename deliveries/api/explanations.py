"""Why an event went to a webhook, or why not, as the API shows it."""

from __future__ import annotations

from typing import Any

from deliveries.models import Event
from deliveries.reporting import explanations


def explain(event: Event) -> list[dict[str, Any]]:
    """Return an entry for each webhook: what became of the event there, and the reason in a sentence."""
    return [
        {
            "webhook": each.webhook.public_id,
            "url": each.webhook.url,
            "delivery": each.delivery and each.delivery.public_id,
            "status": each.status,
            "reason": each.text,
        }
        for each in explanations.explain(event)
    ]
