"""For the tests of a platform that publishes: what was published, without sending any of it.

Such as:

    with capture_events() as events:
        order.pay()
    assert [event.event for event in events] == ["order.paid"]
    assert events[0].data["order"]["total"] == "49.99"
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from deliveries.models import Event
from deliveries.publishing import service
from subscriptions.models import Merchant


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """An event that was stored.

    Attributes:
        id: Its public id.
        event: Its name in the catalogue; published under an alias, this is the entry's own name.
        data: What receivers will parse: Decimals and times are strings by now.
        merchant: Whose it is.
        resource_id: What it happened to.
        occurred_at: When it happened (aware, UTC).
        deliveries: How many webhooks it will be sent to; skipped ones aside.
    """

    id: str
    event: str
    data: dict[str, Any]
    merchant: Merchant
    resource_id: str
    occurred_at: datetime
    deliveries: int


@contextmanager
def capture_events() -> Iterator[list[CapturedEvent]]:
    """Yield a list that grows by each event stored in the block by `publish()`, `publish_many()` or the API, in order.

    Events and deliveries are stored as always, in the caller's transactions, but nobody is woken to send them, not even
    when the transaction commits after the block. It needs neither Redis nor a worker, and works inside a TestCase's
    transaction. What was refused, or dropped for an id that was published before, is not in the list. When the block
    ends, one query takes out what was rolled back meanwhile.

    Every thread of the process is listened to, so that a live server's publishing is captured as well.
    """
    captured: list[CapturedEvent] = []
    keys: list[int] = []

    def listen(merchant: Merchant, results: service.Results) -> None:
        for published, event in results:
            if event is not None:
                captured.append(_captured(merchant, published, event))
                keys.append(event.pk)

    service.listeners.append(listen)
    try:
        yield captured
    finally:
        service.listeners.remove(listen)
    if captured and not connection.needs_rollback:
        kept = dict(Event.objects.filter(pk__in=keys).values_list("pk", "public_id"))
        # A rolled back key may be given again: the last event that had it is the one that stands.
        stand = {pk: position for position, pk in enumerate(keys) if kept.get(pk) == captured[position].id}
        captured[:] = [captured[position] for position in sorted(stand.values())]


def _captured(merchant: Merchant, published: service.Published, event: Event) -> CapturedEvent:
    return CapturedEvent(
        published.event_id,
        published.event,
        json.loads(event.data),
        merchant,
        event.resource_id,
        event.occurred_at,
        published.deliveries,
    )
