"""What every row of the shop has in common: a merchant, times, and saving in one transaction with what it causes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions.models import Merchant


class Atomic(models.Model):
    """A row that is saved together with what its signals do.

    Left alone, `save()` commits the row before it sends `post_save`: a crash between the two would lose the event. In
    one transaction both stand or neither does.
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and let the signals do their part, in one transaction."""
        with transaction.atomic():
            super().save(*args, **kwargs)


class ShopRow(Atomic):
    """A row that belongs to one merchant."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="%(class)ss")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; `updated_at` moves with whatever is saved, so that receivers can ask for what changed since."""
        if kwargs.get("update_fields"):
            kwargs["update_fields"] = {*kwargs["update_fields"], "updated_at"}
        super().save(*args, **kwargs)

    def refuse_foreign(self, **related: ShopRow | None) -> None:
        """Raise ValidationError naming each related row that is another merchant's."""
        foreign = {
            name: [f"This {row._meta.verbose_name} is another merchant's. Choose one of {self.merchant}."]
            for name, row in related.items()
            if row is not None and row.merchant_id != self.merchant_id
        }
        if foreign:
            raise ValidationError(foreign)
