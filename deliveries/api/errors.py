"""The API's errors, with those of this app and of the database."""

from __future__ import annotations

from rest_framework import exceptions

from deliveries.db.outages import is_outage
from deliveries.review import manual_actions, open_jobs
from subscriptions.api import errors
from subscriptions.logs import get_logger
from subscriptions.too_slow import is_too_slow

log = get_logger(__name__)


_HOW = "Stop one with POST /api/v1/jobs/{id}/stop."


class TooManyJobs(exceptions.Throttled):
    """As many bulk jobs are open as a merchant may have."""

    default_code = "too_many_jobs"

    def __init__(self, detail: str) -> None:
        super().__init__(wait=None, detail=detail)
        self.wait = 5  # for Retry-After only: the detail says it in its own words


class SameJob(errors.Conflict):
    """An open bulk job does the same."""

    default_code = "same_job"


class Handler(errors.Handler):
    """Knows the review queue's refusals, too."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return 409 or 429 for what the present state doesn't allow, 503 where the database is away or reads only."""
        if is_outage(exc) and not is_too_slow(exc):
            log.warning("answered_unavailable", error=str(exc)[:200])
            return errors.Unavailable()
        if isinstance(exc, manual_actions.StateConflict):
            return errors.Conflict(str(exc))
        if isinstance(exc, open_jobs.TooManyJobs):
            return TooManyJobs(f"{exc} {_HOW}")
        if isinstance(exc, open_jobs.SameJob):
            return SameJob(f"{exc} {_HOW}")
        return super().convert_known_exceptions(exc)
