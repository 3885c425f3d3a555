"""Expiry: a delivery too old to matter is closed when its turn comes, and never sent.

Nothing looks for old deliveries: a claim meets them and leaves them to this module, which closes along with them what
is as old behind them, so that a long outage's backlog is gone in a few claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from deliveries import reasons
from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Delivery
from deliveries.models.debounce import LastSent
from deliveries.models.deliveries import HELD, IN_GROUP
from deliveries.queueing import ordering
from deliveries.queueing.ordering import OrderingGroup
from deliveries.reasons import Reason, ReasonCode
from subscriptions.conf import settings
from subscriptions.models import Webhook

_SQL = load(__file__, "expiry.sql")
CHUNK = 500
"""Deliveries of a webhook, and of each ordering group, that are closed at a time."""


def too_old(rows: Iterable[Any]) -> dict[int, Reason]:
    """Return delivery key → reason for rows (id, created_at, replays, expire_after, now) that are too old to be sent.

    Those that were replayed never are: a person wants them.
    """
    found = {}
    for row in rows:
        limit = _limit(row.expire_after)
        if limit is not None and not row.replays and (row.now - row.created_at).total_seconds() > limit:
            found[row.id] = _reason(row.now - row.created_at, limit)
    return found


def close(webhook_ids: Iterable[int]) -> None:
    """Cancel what is due for these webhooks and too old, and what is held behind it and as old.

    CHUNK rows of a webhook, and of each of its groups, at most; whoever meets the rest calls this again. Rows that
    somebody has locked are passed over: a claim waits for nobody. One transaction a webhook.
    """
    for webhook in Webhook.objects.filter(pk__in=list(webhook_ids)).order_by("pk"):
        with transaction.atomic():
            groups = _close(webhook)
            transaction.on_commit(partial(ordering.move_on, groups, wake=False), robust=True)


def cancel(expired: Mapping[int, Reason]) -> None:
    """Close these deliveries (key → reason) as cancelled, in the caller's transaction."""
    if expired:
        rows = [(pk, *reasons.columns(reason)) for pk, reason in sorted(expired.items())]
        fetch(_SQL["cancel"], columns(("id", "reason_code", "reason_values"), rows))


def _close(webhook: Webhook) -> set[OrderingGroup]:
    limit = _limit(webhook.expire_after)
    if limit is None:
        return set()
    now = Delivery.objects.filter(webhook=webhook).values_list(Now(), flat=True)[:1].get()
    before = now - timedelta(seconds=limit)
    waiting = (
        Delivery.objects.filter(webhook=webhook, replays=0, created_at__lt=before)
        .filter(status__in=(Delivery.Status.PENDING, Delivery.Status.RETRYING))
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
    )
    columns_read = ("pk", "created_at", "ordering_group")
    found = list(waiting.filter(due_at__lte=now).order_by("due_at", "pk").values_list(*columns_read)[:CHUNK])
    for key in sorted({key for _pk, _created_at, key in found if key is not None}):
        # A group is read from its front, no further than CHUNK: its rows are as old as their ids say.
        front = Delivery.objects.filter(IN_GROUP, webhook=webhook, ordering_group=key).order_by("pk")[:CHUNK]
        held = waiting.filter(due_at=HELD, pk__in=list(front.values_list("pk", flat=True)))
        found += held.order_by("pk").values_list(*columns_read)
    cancel({pk: _reason(now - created_at, limit) for pk, created_at, _key in found})
    if webhook.fields and found:
        LastSent.objects.forget([webhook.pk], wait=False)
    return ordering.groups_of((webhook.pk, key) for _pk, _created_at, key in found)


def _limit(expire_after: int | None) -> int | None:
    """Return the age in seconds past which nothing is sent; None for never."""
    return expire_after or settings.WEBHOOKS_EXPIRE_AFTER or None


def _reason(age: timedelta, limit: int) -> Reason:
    return Reason(ReasonCode.EXPIRED, {"age": age.total_seconds(), "limit": limit})
