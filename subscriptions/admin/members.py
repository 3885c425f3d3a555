"""Inviting a person to a merchant, and changing what they may do."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminEmailInputWidget

from subscriptions.admin import shown_once
from subscriptions.admin.service_forms import ServiceForm
from subscriptions.models import Membership, Merchant

PASSWORD_BYTES = 12
"""Random bytes of a new account's first password: 16 characters."""


def is_last_owner(membership: Membership) -> bool:
    """Tell whether the merchant would be left without an owner."""
    if membership.role != Membership.Role.OWNER:
        return False
    owners = Membership.objects.filter(merchant_id=membership.merchant_id, role=Membership.Role.OWNER)
    return not owners.exclude(pk=membership.pk).exists()


class InviteForm(ServiceForm):
    """Who, where, and as what."""

    email = forms.EmailField(
        label="E-mail",
        max_length=150,  # it is the user name, too
        widget=UnfoldAdminEmailInputWidget,
        required=False,
        help_text="The person signs in with it. If they have no account yet, one is made and its password shown once.",
    )

    class Meta:
        model = Membership
        fields = ["merchant", "role"]

    def clean(self) -> dict[str, Any]:
        """Ask for an address only where a person is invited."""
        data = super().clean() or {}
        if not self.instance.pk and not data.get("email"):
            self.add_error("email", "Whom do you invite? Give the person's e-mail address.")
        return data

    def serve(self, data: dict[str, Any]) -> Membership:
        """Invite the person, or change the member's role."""
        if not self.instance.pk:
            return self._invite(data["merchant"], data["email"], data["role"])
        stored = Membership.objects.get(pk=self.instance.pk)
        if data["role"] != Membership.Role.OWNER and is_last_owner(stored):
            raise ValidationError({"role": ["This is the last owner. Make someone else an owner first."]})
        stored.role = data["role"]
        stored.save(update_fields=["role"])
        return stored

    def _invite(self, merchant: Merchant, email: str, role: str) -> Membership:
        person = User.objects.filter(email__iexact=email).order_by("pk").first()
        if person is None:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            person = User.objects.create_user(email.lower(), email=email, password=password, is_staff=True)
            shown_once.keep(self.request, {"User name": person.get_username(), "Password": password})
        membership, is_new = Membership.objects.get_or_create(merchant=merchant, user=person, defaults={"role": role})
        if not is_new:
            raise ValidationError({"email": [f"{email} is a member already. Open the entry to change the role."]})
        return membership
