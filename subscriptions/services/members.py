"""Members of a merchant: their role changed, or removed. Whoever does either holds the merchant's row meanwhile."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from subscriptions.models import Membership
from subscriptions.services.locks import lock_merchant


def is_last_owner(membership: Membership) -> bool:
    """Tell whether the merchant would be left without an owner."""
    if membership.role != Membership.Role.OWNER:
        return False
    owners = Membership.objects.filter(merchant_id=membership.merchant_id, role=Membership.Role.OWNER)
    return not owners.exclude(pk=membership.pk).exists()


@transaction.atomic
def change_role(*, membership: Membership, role: str) -> Membership:
    """Give a member another role. Raises ValidationError for the last owner, and for somebody who is gone."""
    stored = _locked(membership)
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


def _locked(membership: Membership) -> Membership:
    # Owners are counted under the merchant's lock: two requests that each leave one owner would else leave none.
    lock_merchant(membership.merchant)
    stored = Membership.objects.filter(pk=membership.pk).first()
    if stored is None:
        raise ValidationError("This person is no member any more.")
    return stored
