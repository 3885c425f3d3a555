"""Files, and the products that sell them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.core.validators import URLValidator
from django.db import models

from examples.storefront.models.base import ShopRow
from examples.storefront.models.fields import TagsField
from subscriptions.models.fields import PublicIdField


def today() -> date:
    """Return the date in UTC."""
    return datetime.now(UTC).date()


class Product(ShopRow):
    """Something that is sold; buying it buys its files."""

    public_id = PublicIdField(prefix="prod", unique=True)
    title = models.CharField(max_length=200)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.title


class File(ShopRow):
    """A file of the merchant's library. Its bytes lie elsewhere; the shop knows of them and hands out links."""

    public_id = PublicIdField(prefix="file", unique=True)
    filename = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    upload_date = models.DateField(default=today)
    tags = TagsField(help_text='A list of words, such as ["course", "chapter1"].')
    products = models.ManyToManyField(Product, blank=True, related_name="files")
    source_url = models.CharField(
        max_length=1000,
        blank=True,
        validators=[URLValidator(schemes=["https"])],
        help_text="Where the bytes lie: a download leads there. Empty: a download answers what the file is.",
    )

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["merchant", "updated_at"], name="file_changed")]

    def __str__(self) -> str:
        return self.filename
