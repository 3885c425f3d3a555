"""Expunging: one event's payload is taken out on request, wherever the log holds it. That it happened stays."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from deliveries import reasons, sentences
from deliveries.maintenance.purging import by_statement
from deliveries.models import Attempt, Delivery, Event, ExpungedPayload
from deliveries.models.debounce import LastSent
from deliveries.models.events import EXPUNGED
from deliveries.queueing import ordering, orphans
from deliveries.reasons import Reason, ReasonCode
from deliveries.review import manual_actions

BLANK = {"request_headers": "[]", "response_headers": "[]", "response_body": b""}
"""What an attempt without its bodies says in their place; sizes, digest, status and times stay."""

_empty_events = by_statement("empty_events")


def expunge(event: Event, *, by: str, note: str = "") -> ExpungedPayload:
    """Take out an event's payload and what its attempts hold of requests and answers; return the trace of it.

    Deliveries that wait for an attempt are cancelled and those in review discarded, since nothing is left to send.
    Done twice, it takes out what came since and leaves a second trace.

    Args:
        event: The event; its row stays, with type, time and ids.
        by: Who asked: a user or a key.
        note: Why, for the record.

    Raises:
        StateConflict: It is being sent this moment; try again when that has ended.
    """
    with transaction.atomic():
        Event.objects.select_for_update(no_key=True).get(pk=event.pk)
        deliveries = Delivery.objects.filter(event_id=event.pk)
        rows = deliveries.select_for_update(of=("self",)).order_by("pk")
        keys = list(rows.values_list("pk", flat=True))
        lines = ordering.groups_of(deliveries.values_list("webhook_id", "ordering_group"))
        transaction.on_commit(lambda: ordering.move_on(lines), robust=True)
        if deliveries.filter(status=Delivery.Status.SENDING, due_at__gt=Now()).exists():
            raise manual_actions.StateConflict("The event is being sent right now; expunge it again in a moment.")
        reason = Reason(ReasonCode.EXPUNGED, {"by": by})
        noted = sentences.sentence(reason.code, reason.values)
        manual_actions.discard_all(deliveries.filter(status=Delivery.Status.DEAD), by=by, note=noted)
        orphans.log_abandoned(keys, reason)
        unsent = deliveries.filter(due_at__isnull=False)
        of_unsent = set(unsent.values_list("webhook_id", flat=True))
        cancelled = unsent.update(
            status=Delivery.Status.CANCELLED, due_at=None, claim_token=None, closed_at=Now(), **reasons.changes(reason)
        )
        if of_unsent:
            LastSent.objects.forget(of_unsent)  # who got it was last sent this, expunged or not
        full = ~Q(request_headers="[]") | ~Q(response_headers="[]") | ~Q(response_body=b"")
        attempts = Attempt.objects.filter(full, delivery_id__in=keys).update(**BLANK)
        _empty_events([event.pk], timezone.now())  # all of its deliveries are closed by now, and locked above
        event.data = EXPUNGED
        return ExpungedPayload.objects.create(
            merchant_id=event.merchant_id,
            event_id=event.public_id,
            event_type=event.type,
            by=by[:150],
            note=note,
            attempts=attempts,
            cancelled=cancelled,
        )
