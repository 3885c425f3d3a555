"""Forgotten passwords: a mailed link by which whoever reads mail at an account's address chooses another, once."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.utils import timezone

from subscriptions import limits
from subscriptions.models import PasswordReset
from subscriptions.services import accounts, people

RATES: Final = limits.Rates(hour=5, minute=1)
"""Mails that anybody may have sent to one address."""


def ask(*, email: str) -> None:
    """Have a link mailed to an address, if it has an account. Nobody learns whether it has, or that mails are many.

    Raises ValueError for what is no address.
    """
    address = accounts.clean_email(email).lower()
    if limits.take("password_reset", hashlib.sha256(address.encode()).hexdigest()[:32], RATES).blocked_for:
        return
    PasswordReset.objects.update_or_create(email=address, defaults={"mail_at": timezone.now()})


def accounts_of(email: str) -> list[Any]:
    """Return the accounts that may be opened by a mail to this address: active ones that have a password."""
    rows = get_user_model()._default_manager.filter(people.by_address(email), is_active=True)
    return [user for user in rows if user.has_usable_password() and people.address(user).lower() == email]
