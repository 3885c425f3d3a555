"""Download links."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.core.validators import MinValueValidator
from django.db import models

from examples.storefront.models.base import ShopRow
from examples.storefront.models.library import File
from examples.storefront.models.orders import Order
from subscriptions.models.fields import PublicIdField

TOKEN_BYTES = 24
"""Random bytes of a token: whoever holds the link may fetch the file, so it can't be guessed."""


def new_token() -> str:
    """Return a token of 32 characters: letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Download(ShopRow):
    """A link by which one customer fetches one file: so many times, and until then."""

    public_id = PublicIdField(prefix="download", unique=True)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    site = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Scheme and host of the link; empty: the shop's domain."
    )
    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="links")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="downloads")
    customer_email = models.EmailField()
    limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Downloads at most; empty: any number."
    )
    count = models.PositiveIntegerField(default=0, editable=False)
    last_ip_address = models.GenericIPAddressField(null=True, editable=False)
    last_user_agent = models.CharField(max_length=500, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    expired_at = models.DateTimeField(null=True, editable=False, help_text="When it was found to be over.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.CharField(max_length=150, blank=True, editable=False)
    revoke_reason = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expired_at=None, revoked_at=None, expires_at__isnull=False),
                name="download_running",
            )
        ]

    def __str__(self) -> str:
        return self.public_id

    def clean(self) -> None:
        """Refuse another merchant's file or order."""
        self.refuse_foreign(file=self.file, order=self.order)

    @property
    def url(self) -> str:
        """The link, as the customer gets it."""
        site = self.site or f"https://{self.merchant.domain or 'localhost'}"
        return f"{site}/download?key={self.token}"

    @property
    def remaining(self) -> int | None:
        """Downloads left; None for any number."""
        return None if self.limit is None else max(0, self.limit - self.count)

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is up."""
        return self.expires_at is not None and self.expires_at <= now
