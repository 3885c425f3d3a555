"""Asks every check in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from deliveries.management.doctor import database, redis_and_broker, safety, workers
from deliveries.management.doctor.findings import PROBLEM, Finding, first_line

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    safety.django_checks,
    database.database,
    redis_and_broker.keys,
    redis_and_broker.broker,
    workers.workers,
    workers.beat,
    safety.encryption_keys,
    safety.way_out,
)


def examine(only: Collection[str] = ()) -> Iterator[Finding]:
    """Yield the findings as they come, of the checks with these names if any. One that breaks is a problem itself."""
    for check in CHECKS:
        if only and check.__name__ not in only:
            continue
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - the doctor is for when things are broken in ways nobody foresaw
            name = check.__name__.replace("_", " ")
            text = f"The check broke: {type(error).__name__}: {first_line(error)}."
            yield Finding(name, PROBLEM, text, "Fix what is listed above first; if there is nothing, report this.")
