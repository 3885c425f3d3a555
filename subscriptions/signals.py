"""What others may listen to. Sent inside the transaction that makes the change: a listener that raises undoes it."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

CREATED: Final = "created"
UPDATED: Final = "updated"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
ENABLED: Final = "enabled"
DISABLED: Final = "disabled"
DELETED: Final = "deleted"
SECRET_ROTATED: Final = "secret_rotated"  # noqa: S105 - a word for what happened

ACTIONS: Final = (CREATED, UPDATED, PAUSED, RESUMED, ENABLED, DISABLED, DELETED, SECRET_ROTATED)

webhook_changed = Signal()
"""A webhook changed. Arguments: `sender` (the class Webhook), `webhook` (as it is now), `action` (one of ACTIONS), and
where there is more to say `details`: what of it, in words without values.

Only real changes are told: pausing a paused webhook sends nothing. One call of a service may send several, for instance
UPDATED and ENABLED.
"""
