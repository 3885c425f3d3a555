"""Debounce (Shopery): an event whose chosen fields equal those last sent is dropped, and says so in the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import LastSent


class Key(NamedTuple):
    """What counts as the same: a webhook's events of one type, about one resource where the source names it."""

    webhook_id: int
    event_type: str
    resource_id: str


class Candidate(NamedTuple):
    """A delivery that may repeat the last one: where it stands in the fan-out's rows, and what it would send."""

    position: int
    key: Key
    digest: str


_SQL = load(__file__, "debounce.sql")


def repeated(candidates: Sequence[Candidate]) -> set[int]:
    """Return the positions of candidates that equal what was sent before them, and remember the others; two statements.

    Inside the publishing transaction: what is rolled back was never sent.
    """
    if not candidates:
        return set()
    known = LastSent.objects.select_for_update().filter(
        webhook_id__in={candidate.key.webhook_id for candidate in candidates},
        event_type__in={candidate.key.event_type for candidate in candidates},
        resource_id__in={candidate.key.resource_id for candidate in candidates},
    )
    rows = known.order_by("pk").values_list("webhook_id", "event_type", "resource_id", "digest")
    last = {Key(webhook_id, event_type, resource_id): value for webhook_id, event_type, resource_id, value in rows}
    same, changed = set(), {}
    for candidate in candidates:
        if last.get(candidate.key) == candidate.digest:
            same.add(candidate.position)
        else:
            last[candidate.key] = changed[candidate.key] = candidate.digest
    if changed:
        digests = [(*key, value) for key, value in sorted(changed.items())]
        fetch(_SQL["remember"], columns((*Key._fields, "digest"), digests))
    return same
