"""One-time links by which a platform's own program lets a person into the admin."""

from __future__ import annotations

from django.db import models

from subscriptions.models.keys import ApiKey
from subscriptions.models.merchants import Membership, Merchant


class PortalLink(models.Model):
    """A link that opens a session of one role at one merchant, once; of it the row has a hash.

    Once it is opened the row names the session, so that the session ends with the key that made the link.
    """

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=12, choices=Membership.Role)
    person = models.CharField(max_length=100, help_text="Who uses it, as the platform knows them; for the record.")
    target = models.CharField(max_length=500, help_text="The page that it leads to.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's token.")
    expires_at = models.DateTimeField(help_text="When it opens nothing any more; once opened, when its session ends.")
    api_key = models.ForeignKey(
        ApiKey,
        null=True,
        on_delete=models.CASCADE,
        related_name="portal_links",
        help_text="The key that made it, and whose end is its own.",
    )
    session_key = models.CharField(
        max_length=40, default="", db_default="", help_text="The session it opened; empty until then."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"portal link of {self.person}"
