"""The API's errors, with those of this app."""

from __future__ import annotations

from deliveries.review import manual_actions
from subscriptions.api import errors


class Handler(errors.Handler):
    """Knows the review queue's refusals, too."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return 409 for what the delivery's state doesn't allow now."""
        if isinstance(exc, manual_actions.Conflict):
            return errors.Conflict(str(exc))
        return super().convert_known_exceptions(exc)
