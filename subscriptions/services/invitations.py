"""Invitations: an owner offers a membership to an address; whoever reads mail there accepts it, by a link, once.

Nothing an owner sees depends on whether the address has an account: an invitation is stored and mailed either way, and
what its link leads to is the same for both. An account is joined only when it is signed in and says so.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from subscriptions import limits, selectors
from subscriptions.models import Invitation, Membership, Merchant
from subscriptions.selectors import Action
from subscriptions.services import accounts, people
from subscriptions.services.locks import lock_merchant

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

VALID_FOR: Final = timedelta(days=7)
"""How long a link works."""
INVITATIONS_MAX: Final = 100
"""Invitations of a merchant that may be open at a time."""
PEOPLE_MAX: Final = 500
"""Members that a merchant may have."""
RATES: Final = limits.Rates(hour=60, minute=20)
"""Invitations that a merchant may send: each is a mail to somebody who didn't ask for it."""
TOKEN_BYTES: Final = 32


@transaction.atomic
def invite(*, merchant: Merchant, email: str, role: str, invited_by: Any = None) -> tuple[Invitation, str]:
    """Offer a membership; return the invitation and its link's token, which the next run of `invitation_mail` mails.

    Inviting an address again replaces the invitation: the earlier link ends.

    Raises ValidationError for a wrong address or role, for a member, and for one invitation too many.
    """
    try:
        address = accounts.clean_email(email).lower()
    except ValueError as error:
        raise ValidationError({"email": [str(error)]}) from None
    if role not in Membership.Role.values:
        raise ValidationError({"role": [f"{role!r} is not a role. Use one of {', '.join(Membership.Role.values)}."]})
    lock_merchant(merchant)
    _refuse_one_too_many(merchant, address)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = timezone.now()
    values = {"role": role, "digest": _digest(token), "token": token, "mail_at": now, "invited_by": invited_by}
    invitation, _is_new = Invitation.objects.update_or_create(
        merchant=merchant, email=address, defaults={**values, "expires_at": now + VALID_FOR}
    )
    return invitation, token


def find(token: str) -> Invitation | None:
    """Return the invitation that a link's token opens; None when it was used, withdrawn, replaced, or is too old.

    None also when whoever invited may invite no more: who was shut out leaves no door open behind them.
    """
    rows = Invitation.objects.select_related("merchant", "invited_by").defer("token")
    found = rows.filter(digest=_digest(token), expires_at__gt=timezone.now(), merchant__is_active=True).first()
    if found is None or found.invited_by is None:
        return found
    return found if selectors.can(found.invited_by, found.merchant, Action.MANAGE_MEMBERS) else None


@transaction.atomic
def choose_password(*, invitation: Invitation, password: str) -> None:
    """Make an account for the invited address with this password, unless it has one, which stays as it is.

    Does the same work either way, and tells nobody which it was: the person signs in next and accepts.

    Raises ValidationError for a password that is too easily guessed.
    """
    accounts.check_password(password, people.new(invitation.email))
    if _accounts_of(invitation.email).exists():
        make_password(password)
    else:
        with suppress(ValidationError):  # a twin of this request made it at this very moment
            accounts.make(invitation.email, password)


def is_for(invitation: Invitation, user: AbstractBaseUser | AnonymousUser) -> bool:
    """Tell whether a signed-in account is the invited address'."""
    return _accounts_of(invitation.email).filter(pk=user.pk or 0).exists()


@transaction.atomic
def accept(*, token: str, user: Any) -> Membership:
    """Make the signed-in account a member, as the invitation says, and use the invitation up.

    Raises ValidationError when the invitation is gone, or is for another address than the account's.
    """
    found = find(token)
    if found is not None:
        lock_merchant(found.merchant)  # before the invitation's row, as `invite` does
        Invitation.objects.select_for_update().filter(pk=found.pk).defer(
            "token"
        ).first()  # who withdraws it waits, or was first
        found = find(token)
    if found is None:
        raise ValidationError("This invitation has been used, withdrawn or is too old. Ask for a new one.")
    if not is_for(found, user):
        raise ValidationError(f"This invitation is for {found.email}. Sign in with that account.")
    if found.merchant.memberships.count() >= PEOPLE_MAX:
        raise ValidationError(f"{found.merchant} has {PEOPLE_MAX} members, the most there may be.")
    membership, _is_new = Membership.objects.get_or_create(
        merchant=found.merchant, user=user, defaults={"role": found.role}
    )
    people.let_in(user)
    found.delete()
    return membership


def withdraw(*, invitation: Invitation) -> None:
    """End an invitation: its link leads nowhere from now on."""
    Invitation.objects.filter(pk=invitation.pk).delete()


def _refuse_one_too_many(merchant: Merchant, email: str) -> None:
    if merchant.memberships.filter(people.by_address(email, "user__")).exists():
        raise ValidationError({"email": [f"{email} is a member already. Open the entry to change the role."]})
    now = timezone.now()
    merchant.invitations.filter(expires_at__lte=now).delete()
    if merchant.invitations.exclude(email=email).count() >= INVITATIONS_MAX:
        problem = f"{INVITATIONS_MAX} invitations are open, the most there may be. Withdraw some first."
        raise ValidationError({"email": [problem]})
    if waits := limits.take("invite", str(merchant.pk), RATES).blocked_for:
        raise ValidationError({"email": [f"Too many invitations at once. Try again in {waits} seconds."]})


def _accounts_of(email: str) -> Any:
    return get_user_model()._default_manager.filter(people.by_address(email))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
