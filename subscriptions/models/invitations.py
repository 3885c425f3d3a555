"""Memberships that wait for the invited person's word."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from subscriptions.models.fields import EncryptedTextField
from subscriptions.models.merchants import Membership, Merchant


class Invitation(models.Model):
    """A membership that an owner offers to an e-mail address. Whoever reads mail there accepts it, once.

    The row goes when it is accepted or withdrawn. Of the link it has a hash; the link itself stands in it, encrypted,
    only until it is mailed.
    """

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="invitations", db_index=False)
    email = models.EmailField(max_length=150, help_text="In lower case.")
    role = models.CharField(max_length=12, choices=Membership.Role, default=Membership.Role.DEVELOPER)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the link's token.")
    token = EncryptedTextField(default="", editable=False, help_text="The link's token; empty once it is mailed.")
    mail_at = models.DateTimeField(
        null=True, editable=False, db_index=True, help_text="When the link is to be mailed; empty once it is."
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["merchant", "email"], name="invitation_once")]

    def __str__(self) -> str:
        return f"invitation of {self.email}"
