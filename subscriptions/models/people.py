"""What the service keeps of a person's way to sign in, beside the account."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from subscriptions.models.fields import EncryptedTextField


class SecondFactor(models.Model):
    """An authenticator app that a person signs in with, beside the password. Recovery codes are kept as hashes."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="second_factor"
    )
    key = EncryptedTextField(help_text="The shared key, in base 32.")
    last_step = models.BigIntegerField(default=0, help_text="The 30 s of the last code taken: none is taken twice.")
    recovery_digests = models.JSONField(default=list, help_text="SHA-256 of each recovery code that is left.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"second factor of account {self.user_id}"


class PasswordReset(models.Model):
    """A mailed link that somebody asked for, whether or not the address has an account. The row goes with the mail."""

    email = models.EmailField(primary_key=True, max_length=150, help_text="In lower case.")
    mail_at = models.DateTimeField(db_index=True)
    asked_at = models.DateTimeField(null=True, help_text="Last; empty in rows of releases that didn't note it.")

    def __str__(self) -> str:
        return f"password reset of {self.email}"
