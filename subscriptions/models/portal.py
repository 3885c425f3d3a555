"""One-time links by which a platform's own program lets a person into the admin."""

from __future__ import annotations

from django.db import models

from subscriptions.models.merchants import Membership, Merchant


class PortalLink(models.Model):
    """A link that opens a session of one role at one merchant, once. Of it the row has a hash; it goes when used."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=12, choices=Membership.Role)
    person = models.CharField(max_length=100, help_text="Who uses it, as the platform knows them; for the record.")
    target = models.CharField(max_length=500, help_text="The page that it leads to.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's token.")
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"portal link of {self.person}"
