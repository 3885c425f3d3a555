"""Forgotten passwords: a mailed link by which whoever reads mail at an account's address chooses another, once."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.utils import timezone

from subscriptions import limits, sign_in_limits
from subscriptions.models import PasswordReset
from subscriptions.services import accounts, people

RATES: Final = limits.Rates(hour=5, minute=1)
"""Mails that anybody may have sent to one address."""
PER_PLACE: Final = RATES.times(sign_in_limits.PER_ADDRESS)
"""What may be asked for from one client address, whatever e-mail addresses are named: mails go out one by one."""


def ask(*, email: str, place: str) -> int:
    """Have a link mailed to an address, if it has an account. Nobody learns whether it has, or that mails are many.

    Args:
        email: The address.
        place: The client address it is asked from, "" where that isn't known.

    Returns 0, or the seconds until something may be asked for from this place again, where it was too much.
    Raises ValueError for what is no address.
    """
    address = accounts.clean_email(email).lower()
    if place and (wait := limits.take("password_reset_place", _mark(place), PER_PLACE).blocked_for):
        return wait
    if not limits.take("password_reset", _mark(address), RATES).blocked_for:
        now = timezone.now()
        PasswordReset.objects.update_or_create(email=address, defaults={"mail_at": now, "asked_at": now})
    return 0


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def accounts_of(email: str) -> list[Any]:
    """Return the accounts that may be opened by a mail to this address: active ones that have a password."""
    rows = get_user_model()._default_manager.filter(people.by_address(email), is_active=True)
    return [user for user in rows if user.has_usable_password() and people.address(user).lower() == email]
