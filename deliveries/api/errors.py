"""The API's errors, with those of this app and of the database."""

from __future__ import annotations

from deliveries.db.outages import is_outage
from deliveries.review import manual_actions
from subscriptions.api import errors
from subscriptions.logs import get_logger
from subscriptions.too_slow import is_too_slow

log = get_logger(__name__)


class Handler(errors.Handler):
    """Knows the review queue's refusals, too."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return 409 for what the delivery's state doesn't allow now, 503 where the database is away or reads only."""
        if is_outage(exc) and not is_too_slow(exc):
            log.warning("answered_unavailable", error=str(exc)[:200])
            return errors.Unavailable()
        if isinstance(exc, manual_actions.StateConflict):
            return errors.Conflict(str(exc))
        return super().convert_known_exceptions(exc)
