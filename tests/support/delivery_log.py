"""What tests of the log and the review queue over the API need: where they are, closed deliveries, an answer's ids."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from deliveries.models import DeadLetter, Delivery

LOG = "/api/v1/deliveries"
QUEUE = "/api/v1/dead-letters"


def close(delivery: Delivery, status: str) -> Delivery:
    """Bring a delivery into a closed state, with its dead letter when it is dead."""
    delivery.status, delivery.due_at, delivery.closed_at = status, None, timezone.now()
    delivery.attempt_count, delivery.last_status_code = 4, 500
    delivery.save()
    if status == Delivery.Status.DEAD:
        DeadLetter.objects.create(
            delivery=delivery,
            merchant_id=delivery.merchant_id,
            webhook_id=delivery.webhook_id,
            reason_code="attempts_exhausted",
            reason_values={"of": 4},
            error="http_error",
            status_code=500,
        )
    return delivery


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]
