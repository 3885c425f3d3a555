"""What the sidebar asks on each page."""

from __future__ import annotations

from django.http import HttpRequest

from deliveries.models import DeadLetter
from subscriptions.admin.scoping import DEVELOPER, OWNER, merchants_with

BADGE_MAX = 99
"""Counting stops here: the badge says "99+"."""


def sees_keys(request: HttpRequest) -> bool:
    """Tell whether the person owns some merchant."""
    return merchants_with(request, OWNER) != []


def changes_webhooks(request: HttpRequest) -> bool:
    """Tell whether the person may change something of some merchant, as developers and owners do."""
    return merchants_with(request, DEVELOPER) != []


def sees_accounts(request: HttpRequest) -> bool:
    """Tell whether the person is of the platform's staff."""
    return request.user.is_superuser


def open_dead_letters(request: HttpRequest) -> str:
    """Return how many dead letters wait for review; nothing when none does."""
    keys = merchants_with(request)
    waiting = DeadLetter.objects.filter(resolved_at=None)
    if keys is not None:
        waiting = waiting.filter(merchant_id__in=keys)
    count = waiting.order_by()[: BADGE_MAX + 1].count()
    return f"{BADGE_MAX}+" if count > BADGE_MAX else str(count or "")
