"""What Celery's beat is to call, all on the queue `housekeeping`; nothing that must be on time hangs on it."""

from __future__ import annotations

from typing import Any, Final

_EVERY: Final = {  # seconds
    "tell": (15.0, "deliveries.tell"),
    "probe": (15.0, "deliveries.probe"),
    "resume jobs": (60.0, "deliveries.resume_jobs"),
    "look for stuck rows": (600.0, "deliveries.look_for_stuck_rows"),
    "purge": (120.0, "deliveries.purge"),
    "clear sessions": (86_400.0, "deliveries.clear_sessions"),
}


def beat_schedule(*, prefix: str = "webhooks: ", queue: str = "housekeeping") -> dict[str, dict[str, Any]]:
    """Return the entries for a project's schedule, to be added to `app.conf.beat_schedule`.

    Args:
        prefix: Of the entries' names, so that they clash with none of the project's.
        queue: MERCHANT_WEBHOOKS["HOUSEKEEPING_QUEUE"], where that is another.
    """
    # No `expires`: beat's clock would set it, and a worker's clock decide. Calls that wait for a worker don't pile up.
    return {
        prefix + name: {"task": task, "schedule": seconds, "options": {"queue": queue}}
        for name, (seconds, task) in _EVERY.items()
    }
