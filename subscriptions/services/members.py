"""Members of a merchant: their role changed, or removed. Whoever does either holds the merchant's row meanwhile."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from subscriptions.models import Membership
from subscriptions.services import people
from subscriptions.services.locks import lock_merchant
from subscriptions.services.portal import account_names


def is_last_owner(membership: Membership) -> bool:
    """Tell whether the merchant would be left without an owner. An account of portal links is never counted as one."""
    if membership.role != Membership.Role.OWNER or _is_of_links(membership):
        return False
    owners = Membership.objects.filter(merchant_id=membership.merchant_id, role=Membership.Role.OWNER)
    owners = owners.exclude(**{f"user__{people.name_field()}__in": account_names(membership.merchant)})
    return not owners.exclude(pk=membership.pk).exists()


@transaction.atomic
def change_role(*, membership: Membership, role: str) -> Membership:
    """Give a member another role.

    Raises ValidationError for the last owner, for somebody who is gone, and for owner where the account is that of
    portal links: each link gives it back the role that the link was made for.
    """
    stored = _locked(membership)
    if role == Membership.Role.OWNER and _is_of_links(stored):
        raise ValidationError({"role": ["Sessions of portal links can't be owners. Invite a person instead."]})
    if role != Membership.Role.OWNER and is_last_owner(stored):
        raise ValidationError({"role": ["This is the last owner. Make someone else an owner first."]})
    stored.role = role
    stored.save(update_fields=["role"])
    return stored


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """End a membership. Raises ValidationError for the last owner; somebody who is gone already is no error."""
    lock_merchant(membership.merchant)
    stored = Membership.objects.filter(pk=membership.pk).first()
    if stored is None:
        return
    if is_last_owner(stored):
        raise ValidationError("This is the last owner. Make someone else an owner first.")
    stored.delete()


def _is_of_links(membership: Membership) -> bool:
    return membership.user.get_username() in account_names(membership.merchant)


def _locked(membership: Membership) -> Membership:
    # Owners are counted under the merchant's lock: two requests that each leave one owner would else leave none.
    lock_merchant(membership.merchant)
    stored = Membership.objects.filter(pk=membership.pk).first()
    if stored is None:
        raise ValidationError("This person is no member any more.")
    return stored
