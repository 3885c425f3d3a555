"""Freshest data (Shopery): where a source registers a resolver, the resource is sent as it is at delivery time.

    @resolver("orders-created")
    def order_now(merchant_id: int, resource_id: str) -> dict | None: ...

Used for every webhook of the shopery dialect, and for event types marked fresh in the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deliveries.db.sessions import borrowed
from deliveries.payloads import canonical_json
from deliveries.queueing.claims import Claimed
from subscriptions.logs import get_logger
from subscriptions.models import EventType

log = get_logger(__name__)

Resolver = Callable[[int, str], Mapping[str, Any] | None]
ALWAYS_FRESH = frozenset({"shopery"})
"""Dialects whose document promises the most recent data."""

_resolvers: dict[str, Resolver] = {}


def resolver(*event_types: str) -> Callable[[Resolver], Resolver]:
    """Register a function `(merchant key, resource id) → the resource as it is now`, None when it is gone."""

    def register(function: Resolver) -> Resolver:
        _resolvers.update(dict.fromkeys(event_types, function))
        return function

    return register


def may_ask(row: Claimed) -> bool:
    """Tell whether `freshest` may have to ask the database or a source, which takes as long as it takes."""
    return bool(row.resource_id) and row.event_type in _resolvers


def freshest(row: Claimed) -> str:
    """Return the data to send as canonical text: the resource as it is now, or the event's where there is none newer.

    A resolver that fails costs freshness, not the delivery.
    """
    resolve = _resolvers.get(row.event_type)
    if resolve is None or not row.resource_id:
        return row.data
    try:
        with borrowed():
            if row.webhook.dialect not in ALWAYS_FRESH and not _is_fresh(row.event_type):
                return row.data
            resource = resolve(row.webhook.merchant_id, row.resource_id)
            return row.data if resource is None else canonical_json.dump(resource)
    except Exception:  # a resolver is the platform's code; whatever it raises, the event is sent as it was published
        log.exception("resolver_failed", event_type=row.event_type, **row.named)
        return row.data


def _is_fresh(event_type: str) -> bool:
    return EventType.objects.filter(name=event_type, fresh=True).exists()
