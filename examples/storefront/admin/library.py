"""Products and files."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from examples.storefront.models import File, Product
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.scoping import DEVELOPER, MerchantScoped
from subscriptions.admin.text_settings import words_of

WRITING = {"add": DEVELOPER, "change": DEVELOPER}
OWN_MERCHANT = ("merchant", OwnRowsFilter)


@admin.register(Product)
class ProductAdmin(MerchantScoped):
    """What the shop sells."""

    needs = WRITING
    list_display = ["title", "public_id", "merchant"]
    list_filter = [OWN_MERCHANT]
    list_select_related = ["merchant"]
    search_fields = ["title", "public_id"]
    search_help_text = "Search titles and ids"
    fields = ["merchant", "title"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A product stays its merchant's."""
        return ["merchant", "public_id"] if obj else []


class TagsInput(forms.CharField):
    """Tags as people write them: words separated by commas, spaces or lines."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Write the list as words."""
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Read the words, each once."""
        return words_of(super().clean(value))


class FileForm(forms.ModelForm):  # type: ignore[type-arg]
    """A file and the products that have it."""

    tags = TagsInput(required=False, help_text="Words separated by commas, such as course, chapter1.")

    class Meta:
        model = File
        fields = ["merchant", "filename", "size", "tags", "products", "source_url"]

    def clean(self) -> dict[str, Any]:
        """Refuse another merchant's products."""
        data = super().clean() or {}
        merchant = data.get("merchant") or (self.instance.merchant if self.instance.pk else None)
        if any(product.merchant != merchant for product in data.get("products", ())):
            self.add_error("products", f"Choose only products of {merchant}.")
        return data


@admin.register(File)
class FileAdmin(MerchantScoped):
    """The merchant's library. Adding, changing, mapping and deleting here is told to webhooks as by any program."""

    needs = WRITING | {"delete": DEVELOPER}
    form = FileForm
    list_display = ["filename", "public_id", "size", "tagged", "upload_date", "merchant"]
    list_filter = [OWN_MERCHANT]
    list_select_related = ["merchant"]
    search_fields = ["filename", "public_id"]
    search_help_text = "Search file names and ids"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A file stays its merchant's."""
        return ["merchant"] if obj else []

    @display(description="Tags")
    def tagged(self, row: File) -> str:
        """Return the tags in a line."""
        return ", ".join(row.tags) or local_times.DASH
