"""What tests of retention need: settled deliveries, made older, and purges."""

from __future__ import annotations

from datetime import timedelta

from deliveries.maintenance import retention
from deliveries.maintenance.retention import Kind
from deliveries.models import Attempt, Delivery, Event
from deliveries.recording import outcomes
from subscriptions.models import Webhook
from tests.support.engine import answered, claim_one, due_one, reread
from tests.support.factories import make_webhook

LONG_AGO = timedelta(days=1000)


def kind(name: str) -> Kind:
    return next(each for each in retention.kinds() if each.name == name)


def purge(*names: str, batch: int = retention.BATCH) -> int:
    chosen = [kind(name) for name in names] or retention.kinds()
    return sum(step.purged for each in chosen for step in retention.purge(each, batch=batch))


def age(*deliveries: Delivery, by: timedelta = LONG_AGO) -> None:
    """Let deliveries, their events and their attempts be older."""
    for delivery in deliveries:
        row = reread(delivery)
        columns = {name: getattr(row, name) - by for name in ("created_at", "closed_at") if getattr(row, name)}
        Delivery.objects.filter(pk=row.pk).update(**columns)
        for model, rows in ((Event, {"pk": row.event_id}), (Attempt, {"delivery": row})):
            column = "created_at" if model is Event else "started_at"
            for each in model.objects.filter(**rows):
                model.objects.filter(pk=each.pk).update(**{column: getattr(each, column) - by})


def settled(webhook: Webhook | None = None, status: int = 200) -> Delivery:
    """Return a delivery whose first attempt was its last."""
    delivery = due_one(webhook or make_webhook(retry_policy={"delays": []}))
    sent = answered(claim_one(delivery), status, body=b"answer", headers=[("server", "x")])
    outcomes.record([sent])
    return reread(delivery)
